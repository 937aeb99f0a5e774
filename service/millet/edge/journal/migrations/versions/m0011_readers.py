"""What readers say: acknowledgements and feedback; a series names the acknowledgement that counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"


def _said(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("recognised", sa.Boolean(), nullable=False),
        sa.Column("at_utc", sa.DateTime(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f(f"fk_{name}_series_id_series")),
        sa.UniqueConstraint("site", "request", name=op.f(f"uq_{name}_site")),
    )
    op.create_index(f"ix_{name}_series", name, ["series_id", "id"])


def upgrade() -> None:
    """Make the tables and add the column; nobody has said anything yet."""
    _said(
        "acknowledgement",
        sa.Column("triage", sa.String(), nullable=False),
        sa.Column("triage_order", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
    )
    _said(
        "feedback",
        sa.Column("opinion", sa.String(), nullable=False),
        sa.Column("tracking_uid", sa.String(), nullable=False),
        sa.Column("x_mm", sa.Float(), nullable=True),
        sa.Column("y_mm", sa.Float(), nullable=True),
        sa.Column("z_mm", sa.Float(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
    )
    with op.batch_alter_table("series") as table:
        table.add_column(sa.Column("acknowledgement_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("series") as table:
        table.drop_column("acknowledgement_id")
    op.drop_table("feedback")
    op.drop_table("acknowledgement")
