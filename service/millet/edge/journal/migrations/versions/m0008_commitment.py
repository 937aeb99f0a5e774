"""Storage Commitment: transactions that others asked, and questions that we asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "promise",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("calling_ae", sa.String(), nullable=False),
        sa.Column("transaction_uid", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_utc", sa.DateTime(), nullable=False),
        sa.Column("next_try_utc", sa.DateTime(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise")),
        sa.UniqueConstraint("site", "calling_ae", "transaction_uid", name=op.f("uq_promise_site")),
    )
    op.create_index("ix_promise_due", "promise", ["state", "next_try_utc"])
    op.create_table(
        "question",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False, server_default=""),
        sa.Column("asked_utc", sa.DateTime(), nullable=False),
        sa.Column("answered_utc", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
        sa.UniqueConstraint("transaction_uid", name=op.f("uq_question_transaction_uid")),
    )
    op.create_index("ix_question_delivery", "question", ["delivery_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("question")
    op.drop_table("promise")
