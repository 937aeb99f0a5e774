"""The journal as an analyser sees it: whom it follows, what has come of that, and how far it has got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from millet.core.job import State
from millet.edge.journal.base import Base
from millet.edge.journal.database import bump
from millet.edge.journal.tables import executor, instance, series
from millet.ports import Arrived

UNDER_WAY = (State.RECEIVING, State.QUEUED, State.ANALYSING)
ALIVE_S = 60.0
"""An executor that was not heard of for this long is dead."""


class Arrivals(Base):
    """An `ArrivalLog` and a `ProgressLog`."""

    def arrived(self, analyser: str, after: int, now_utc: datetime) -> Sequence[Arrived]:
        """Instances of series that this analyser follows; see `ports.ArrivalLog`."""
        with self._reading() as connection:
            orphaned = connection.execute(sa.select(series.c.id).where(*_nobodys(now_utc)).limit(1)).first()
        if orphaned:
            with self._writing(awaited=False) as connection:
                mine = sa.update(series).where(*_nobodys(now_utc)).values(analyser=analyser)
                connection.execute(mine)
        query = (
            sa.select(instance.c.id, instance.c.series_id, instance.c.path, series.c.urgency)
            .join(series, instance.c.series_id == series.c.id)
            .where(instance.c.id > after, series.c.analyser == analyser, series.c.state == State.RECEIVING)
            .order_by(instance.c.id)
        )
        with self._reading() as connection:
            return [Arrived(*row) for row in connection.execute(query)]

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """Journal how far the analysis of a series has come; see `ports.ProgressLog`."""
        with self._writing(awaited=False) as connection:
            facts = {"stage": stage, "windows_done": done, "windows_total": total}
            here = series.c.id == series_id, series.c.state.in_(UNDER_WAY)
            revision = bump(connection)
            connection.execute(sa.update(series).where(*here).values(revision=revision, **facts))


def living(now_utc: datetime) -> sa.Select[tuple[str]]:
    """Executors that were heard of lately."""
    return sa.select(executor.c.executor_id).where(
        executor.c.heartbeat_utc > now_utc - timedelta(seconds=ALIVE_S)
    )


def _nobodys(now_utc: datetime) -> Sequence[sa.ColumnElement[bool]]:
    """Series that arrive and that no living analyser follows."""
    return series.c.state == State.RECEIVING, series.c.analyser.not_in(living(now_utc))
