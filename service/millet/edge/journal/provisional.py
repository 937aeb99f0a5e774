"""Provisional nodules: rows that are told to whoever watches a series, and gone when it has ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from millet.core.geometry import PointMm
from millet.edge.journal.arrivals import UNDER_WAY
from millet.edge.journal.base import Base
from millet.edge.journal.provisional_table import provisional
from millet.edge.journal.tables import series
from millet.ports import Found, Provisional, SeriesKey

NOWHERE = {"x_mm": 0.0, "y_mm": 0.0, "z_mm": 0.0, "diameter_mm": 0.0, "score": 0.0}


class ProvisionalNodules(Base):
    """A `ProvisionalLog`, and what a `Worklist` tells of it."""

    def provisional_found(self, series_id: int, found: Found, retracted: Collection[str]) -> None:
        """Candidates were found, others are retracted; see `ports.ProvisionalLog`."""
        rows = [
            {
                "name": name,
                "retracted": False,
                **dict(zip(("x_mm", "y_mm", "z_mm"), one.centre_mm, strict=True)),
                "diameter_mm": one.diameter_mm,
                "score": one.score,
            }
            for name, one in found.items()
        ]
        rows += [{"name": name, "retracted": True, **NOWHERE} for name in retracted]
        with self._changing(awaited=False) as (connection, revision):
            here = series.c.id == series_id, series.c.state.in_(UNDER_WAY)
            moved = connection.execute(sa.update(series).where(*here).values(revision=revision))
            if moved.rowcount and rows:
                connection.execute(sa.insert(provisional), [{"series_id": series_id, **one} for one in rows])

    def provisional(self, key: SeriesKey, after: int) -> Sequence[Provisional]:
        """What was found and retracted since; see `ports.Worklist`."""
        query = (
            sa.select(provisional)
            .join(series, series.c.id == provisional.c.series_id)
            .where(series.c.site == key.site, series.c.series_uid == key.series_uid)
            .where(provisional.c.id > after)
            .order_by(provisional.c.id)
        )
        with self._reading() as connection:
            return [_provisional(row) for row in connection.execute(query)]


def forget_provisional(connection: sa.Connection, series_id: int) -> None:
    """A generation has ended: what was provisional is void."""
    connection.execute(sa.delete(provisional).where(provisional.c.series_id == series_id))


def _provisional(row: sa.Row[Any]) -> Provisional:
    return Provisional(
        number=row.id,
        name=row.name,
        centre_mm=PointMm(row.x_mm, row.y_mm, row.z_mm),
        diameter_mm=row.diameter_mm,
        score=row.score,
        retracted=row.retracted,
    )
