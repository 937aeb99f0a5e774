"""A delivery says what it is about, so that of several about the same none overtakes another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision: str | None = "0014"

JOINED = """
    FROM delivery JOIN object ON object.id = delivery.object_id
    JOIN analysis ON analysis.id = object.analysis_id JOIN series ON series.id = analysis.series_id
"""
NOTICES = f"""
    INSERT INTO topic (delivery_id, site, uid, number)
    SELECT delivery.id, site, study_uid,
        row_number() OVER (PARTITION BY destination, site, study_uid ORDER BY delivery.id)
    {JOINED} WHERE object.kind LIKE 'notice-%' OR object.kind LIKE 'urgent-%'
"""
"""Of a digest no row says which studies it is about: it is sent as it is."""
RESULTS = f"""
    INSERT INTO topic (delivery_id, site, uid, number)
    SELECT delivery.id, site, series_uid, analysis.generation
    {JOINED} WHERE object.kind LIKE 'hl7-%'
"""


def upgrade() -> None:
    """Add the table, with what there is."""
    op.create_table(
        "topic",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="fk_topic_delivery_id_delivery"),
        sa.PrimaryKeyConstraint("delivery_id", "site", "uid", name="pk_topic"),
    )
    op.create_index("ix_topic_same", "topic", ["uid", "site", "number"])
    op.execute(sa.text(NOTICES))
    op.execute(sa.text(RESULTS))


def downgrade() -> None:
    """Drop it."""
    op.drop_table("topic")
