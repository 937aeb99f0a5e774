"""What an archive is asked to send for comparison only is kept until it is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision: str | None = "0015"


def upgrade() -> None:
    """Add the table, and an index by which an instance that comes is found."""
    op.create_table(
        "errand",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(), nullable=False),
        sa.Column("most_bytes", sa.BigInteger(), nullable=False),
        sa.Column("until_utc", sa.DateTime(), nullable=False),
        sa.Column("path", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("name", "sop_instance_uid", name="pk_errand"),
    )
    op.create_index("ix_errand_instance", "errand", ["site", "sop_instance_uid"])


def downgrade() -> None:
    """Drop it; what was on its way is refused, and its archive is asked again for the next exam."""
    op.drop_index("ix_errand_instance", "errand")
    op.drop_table("errand")
