"""A series says which called title's own model analyses it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Add the column; what arrived before is for the usual model."""
    with op.batch_alter_table("series") as table:
        table.add_column(sa.Column("model_title", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("series") as table:
        table.drop_column("model_title")
