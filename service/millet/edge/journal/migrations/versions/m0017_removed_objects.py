"""An object says when retention removed its bytes, and those that are there are found by their kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision: str | None = "0016"


def upgrade() -> None:
    """Add the column and the index; everything is there."""
    with op.batch_alter_table("object") as table:
        table.add_column(sa.Column("removed_utc", sa.DateTime(), nullable=True))
        table.create_index("ix_object_removed", ["kind", "removed_utc"])


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("object") as table:
        table.drop_index("ix_object_removed")
        table.drop_column("removed_utc")
