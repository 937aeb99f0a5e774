"""Whether the number of nodules is to be relied on stands in the worklist."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add the column; of analyses that were made before it, nothing is known."""
    with op.batch_alter_table("analysis") as table:
        table.add_column(sa.Column("count_reliable", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("analysis") as table:
        table.drop_column("count_reliable")
