"""The best series of a study, alerts when a triage level changes, and the habits of senders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

_TEXTS = ("candidate", "best_series_uid", "best_reason")
_ORDERED_BEFORE = ["triage_order", "first_received_utc", "id"]
_ORDERED = ["triage_order", "is_other", "first_received_utc", "id"]


def upgrade() -> None:
    """Add them; of studies that came before, no series is the best one until one of theirs changes."""
    with op.batch_alter_table("series") as table:
        for name in _TEXTS:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("is_other", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_series_worklist", "series")
    op.create_index("ix_series_worklist", "series", _ORDERED)
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("triage_before", sa.String(), nullable=False),
        sa.Column("triage_after", sa.String(), nullable=False),
        sa.Column("created_utc", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_alert_series_id_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("series_id", "generation", name=op.f("uq_alert_series_id")),
    )
    op.create_table(
        "sender_habit",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("calling_ae", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "calling_ae", name=op.f("pk_sender_habit")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("sender_habit")
    op.drop_table("alert")
    op.drop_index("ix_series_worklist", "series")
    with op.batch_alter_table("series") as table:
        for name in ("is_other", *_TEXTS):
            table.drop_column(name)
    op.create_index("ix_series_worklist", "series", _ORDERED_BEFORE)
