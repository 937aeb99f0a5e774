"""A series says how urgent it is, which analyser follows it, and how far its analysis has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"

_NUMBERS = ("urgency", "windows_done", "windows_total")
_TEXTS = ("analyser", "stage")


def upgrade() -> None:
    """Add the columns; what arrived before is routine, and nobody follows it."""
    with op.batch_alter_table("series") as table:
        for name in _NUMBERS:
            table.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in _TEXTS:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        table.create_index("ix_series_analyser", ["analyser", "state"])


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("series") as table:
        table.drop_index("ix_series_analyser")
        for name in (*_NUMBERS, *_TEXTS):
            table.drop_column(name)
