"""What readers say, what is found before a series is complete, and a revision for each series alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"


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
        sa.Column("nodule_id", sa.String(), nullable=False),
        sa.Column("x_mm", sa.Float(), nullable=True),
        sa.Column("y_mm", sa.Float(), nullable=True),
        sa.Column("z_mm", sa.Float(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
    )
    with op.batch_alter_table("series") as table:
        table.add_column(sa.Column("acknowledgement_id", sa.Integer(), nullable=True))
    op.create_table(
        "provisional",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("x_mm", sa.Float(), nullable=False),
        sa.Column("y_mm", sa.Float(), nullable=False),
        sa.Column("z_mm", sa.Float(), nullable=False),
        sa.Column("diameter_mm", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("retracted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provisional")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_provisional_series_id_series")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_provisional_series", "provisional", ["series_id", "id"])
    _tell_apart()


def _tell_apart() -> None:
    """Of series that share a revision all but one get a later one: whoever watches is told of them again."""
    series = sa.table("series", sa.column("id", sa.Integer), sa.column("revision", sa.BigInteger))
    counter = sa.table("counter", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    connection, other = op.get_bind(), series.alias()
    before = sa.exists().where(other.c.revision == series.c.revision, other.c.id < series.c.id)
    for number in (
        connection.execute(sa.select(series.c.id).where(before).order_by(series.c.id)).scalars().all()
    ):
        grown = sa.update(counter).where(counter.c.name == "revision").values(value=counter.c.value + 1)
        connection.execute(grown)
        last = sa.select(counter.c.value).where(counter.c.name == "revision").scalar_subquery()
        connection.execute(sa.update(series).where(series.c.id == number).values(revision=last))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("series") as table:
        table.drop_column("acknowledgement_id")
    op.drop_table("provisional")
    op.drop_table("feedback")
    op.drop_table("acknowledgement")
