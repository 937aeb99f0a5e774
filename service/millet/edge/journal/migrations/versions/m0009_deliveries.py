"""A delivery says who has it in hand and when it was sent; what is due is found for each destination."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Add the columns; what waits is in nobody's hands."""
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("holder", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("sent_utc", sa.DateTime(), nullable=True))
        table.drop_index("ix_delivery_due")
        table.create_index("ix_delivery_due", ["state", "destination", "next_try_utc"])


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("delivery") as table:
        table.drop_index("ix_delivery_due")
        table.create_index("ix_delivery_due", ["state", "next_try_utc"])
        for name in ("holder", "sent_utc"):
            table.drop_column(name)
