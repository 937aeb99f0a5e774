"""A million instances: the worklist is sorted by an index, and the instances of a series lie in order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"

_LEVELS = ("not-assessed", "unflagged", "notable", "urgent", "critical")
"""From the least urgent to the most, as they were told at this revision."""


_series = sa.table("series", sa.column("id"), sa.column("triage_order"))
_analysis = sa.table("analysis", *(sa.column(name) for name in ("id", "series_id", "generation", "triage")))


def _newest() -> sa.ScalarSelect[int]:
    told = _analysis.c
    orders = {level: -rank for rank, level in enumerate(_LEVELS)}
    found = sa.select(sa.case(orders, value=told.triage, else_=1)).where(told.series_id == _series.c.id)
    return found.order_by(told.generation.desc(), told.id.desc()).limit(1).scalar_subquery()


def upgrade() -> None:
    """Add the column, filled from the newest analysis of each series, and the indexes."""
    with op.batch_alter_table("series") as table:
        table.add_column(sa.Column("triage_order", sa.Integer(), nullable=False, server_default="1"))
    op.execute(sa.update(_series).values(triage_order=sa.func.coalesce(_newest(), 1)))
    op.create_index("ix_series_worklist", "series", ["triage_order", "first_received_utc", "id"])
    op.drop_index("ix_instance_series", "instance")
    op.create_index("ix_instance_series", "instance", ["series_id", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_instance_series", "instance")
    op.create_index("ix_instance_series", "instance", ["series_id"])
    op.drop_index("ix_series_worklist", "series")
    with op.batch_alter_table("series") as table:
        table.drop_column("triage_order")
