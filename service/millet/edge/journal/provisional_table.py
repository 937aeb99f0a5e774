"""The table of provisional nodules."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table

from millet.edge.journal.tables import metadata

provisional = Table(
    "provisional",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("x_mm", Float, nullable=False),
    Column("y_mm", Float, nullable=False),
    Column("z_mm", Float, nullable=False),
    Column("diameter_mm", Float, nullable=False),
    Column("score", Float, nullable=False),
    Column("retracted", Boolean, nullable=False),
    Index("ix_provisional_series", "series_id", "id"),
    sqlite_autoincrement=True,
)
"""Numbers are never used again, also when the last rows are gone: whoever watches goes on by them."""
