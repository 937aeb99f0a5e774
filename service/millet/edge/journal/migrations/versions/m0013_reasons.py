"""An analysis says in its row which sentence decided its level, so that a worklist reads no documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0012"

FIRST_REASON = {
    "sqlite": "json_extract(document, '$.triage.reasons[0]')",
    "postgresql": "document::json #>> '{triage,reasons,0}'",
}


def upgrade() -> None:
    """Add the column, with what the documents say."""
    with op.batch_alter_table("analysis") as table:
        table.add_column(sa.Column("triage_reason", sa.String(), nullable=False, server_default=""))
    first = FIRST_REASON[op.get_context().dialect.name]
    op.execute(f"UPDATE analysis SET triage_reason = COALESCE({first}, '')")  # noqa: S608 - a constant of ours


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("analysis") as table:
        table.drop_column("triage_reason")
