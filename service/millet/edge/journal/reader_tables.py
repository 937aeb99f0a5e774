"""The tables of what readers said."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from millet.edge.journal.tables import Utc, metadata

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("site", String, nullable=False),
    Column("request", String, nullable=False),
    Column("person", String, nullable=False),
    Column("recognised", Boolean, nullable=False),
    Column("at_utc", Utc, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("triage", String, nullable=False),
    Column("triage_order", Integer, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    UniqueConstraint("site", "request"),
    Index("ix_acknowledgement_series", "series_id", "id"),
)
"""`triage` is empty where no analysis was there. `series.acknowledgement_id` names the one that counts."""

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("site", String, nullable=False),
    Column("request", String, nullable=False),
    Column("person", String, nullable=False),
    Column("recognised", Boolean, nullable=False),
    Column("at_utc", Utc, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("opinion", String, nullable=False),
    Column("nodule_id", String, nullable=False),
    Column("x_mm", Float),
    Column("y_mm", Float),
    Column("z_mm", Float),
    Column("comment", Text, nullable=False),
    UniqueConstraint("site", "request"),
    Index("ix_feedback_series", "series_id", "id"),
)
"""A place is there for a nodule that was missed alone."""
