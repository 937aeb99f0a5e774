"""What a generation is compared with is kept, and what was read for comparison only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "prior",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_prior_series_id_series"),
        sa.PrimaryKeyConstraint("series_id", "generation", name="pk_prior"),
    )
    op.create_table(
        "reading",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("read_by", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "series_uid", "read_by", name="pk_reading"),
    )


def downgrade() -> None:
    """Drop them; what is compared again is found again."""
    op.drop_table("reading")
    op.drop_table("prior")
