"""The journal of a soak by plain SQL: what became of each series and of each report."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from soaking.judging import Line, Report

_LINES = sa.text("""
    SELECT series_uid, state, generation,
        (SELECT count(*) FROM instance WHERE instance.series_id = series.id),
        (SELECT count(*) FROM analysis WHERE analysis.series_id = series.id
            AND analysis.generation = series.generation)
    FROM series WHERE site = 'default'""")
_REPORTS = sa.text("""
    SELECT series.series_uid, analysis.generation, object.kind, object.sop_instance_uid, delivery.state
    FROM delivery JOIN object ON delivery.object_id = object.id
    JOIN analysis ON object.analysis_id = analysis.id JOIN series ON analysis.series_id = series.id
    WHERE series.site = 'default' ORDER BY delivery.id""")
_OBJECTS = sa.text("""
    SELECT object.kind, object.path FROM object JOIN analysis ON object.analysis_id = analysis.id
    JOIN series ON analysis.series_id = series.id WHERE series.site = 'default'""")
_OPEN = sa.text("""
    SELECT (SELECT count(*) FROM series WHERE state NOT IN ('analysed', 'not-analysed', 'parked'))
        + (SELECT count(*) FROM delivery WHERE state NOT IN ('done', 'dead'))""")


class Books:
    """Reads a journal."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

    def lines(self) -> list[Line]:
        """Every series of patients."""
        with self.engine.connect() as connection:
            return [Line(*row) for row in connection.execute(_LINES)]

    def reports(self) -> list[Report]:
        """Every object that is delivered."""
        with self.engine.connect() as connection:
            return [Report(*row) for row in connection.execute(_REPORTS)]

    def objects(self, folder: Path) -> dict[str, tuple[int, int]]:
        """How many objects of each kind there are, and their bytes, where they lie."""
        found: dict[str, tuple[int, int]] = {}
        with self.engine.connect() as connection:
            for kind, path in connection.execute(_OBJECTS):
                count, size_bytes = found.get(kind, (0, 0))
                found[kind] = count + 1, size_bytes + (folder / path).stat().st_size
        return found

    def open(self) -> int:
        """How much is not done: series that have not ended, and deliveries that wait."""
        with self.engine.connect() as connection:
            return int(connection.execute(_OPEN).scalar_one())
