"""Who must hear of a study's level is kept, and what they were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    """Add the table, the words of an analysis, and an index by which an hour's messages are counted."""
    op.create_table(
        "recipient",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False, server_default=""),
        sa.Column("told", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "study_uid", "destination", name="pk_recipient"),
    )
    op.create_index("ix_recipient_due", "recipient", ["destination", "revision"])
    op.create_index("ix_delivery_created", "delivery", ["destination", "created_utc"])
    with op.batch_alter_table("analysis") as table:
        table.add_column(sa.Column("grounds", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them; what is due is told nobody."""
    with op.batch_alter_table("analysis") as table:
        table.drop_column("grounds")
    op.drop_index("ix_delivery_created", "delivery")
    op.drop_table("recipient")
