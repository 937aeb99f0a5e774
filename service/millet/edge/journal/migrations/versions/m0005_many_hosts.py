"""Many hosts, for years: the skew of each one's clock, and numbers that do not run out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

_GROWING = (("counter", "value"), ("series", "revision"), ("instance", "size_bytes"))
"""Revisions outgrow 32 bits in a few years of many windows a second, an Enhanced CT in one."""


def upgrade() -> None:
    """Add the column, and widen the others."""
    with op.batch_alter_table("executor") as table:
        table.add_column(sa.Column("skew_s", sa.Float(), nullable=False, server_default="0"))
    _retype(sa.Integer(), sa.BigInteger())


def downgrade() -> None:
    """Back; what does not fit into 32 bits any more stops it."""
    _retype(sa.BigInteger(), sa.Integer())
    with op.batch_alter_table("executor") as table:
        table.drop_column("skew_s")


def _retype(old: sa.Integer, new: sa.Integer) -> None:
    """On SQLite the declared type alone, whose integers are wide anyway."""
    for name, column in _GROWING:
        with op.batch_alter_table(name) as table:
            table.alter_column(column, existing_type=old, type_=new, existing_nullable=False)
