"""How far each segment of the spool is indexed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "segment",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("indexed_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_segment")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("segment")
