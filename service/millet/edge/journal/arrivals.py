"""The journal as an analyser sees it: whom it follows, what has come of that, and how far it has got."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from millet.core.doors import USUAL
from millet.core.job import State
from millet.edge.journal.base import Base
from millet.edge.journal.tables import executor, instance, series
from millet.ports import Arrived

UNDER_WAY = (State.RECEIVING, State.QUEUED, State.ANALYSING)


class Arrivals(Base):
    """An `ArrivalLog` and a `ProgressLog`."""

    def arrived(self, analyser: str, after: int, titles: Collection[str] = (USUAL,)) -> Sequence[Arrived]:
        """Instances of series that this analyser follows; see `ports.ArrivalLog`."""
        coming = series.c.state == State.RECEIVING, series.c.model_title.in_(sorted(titles))
        nobodys = *coming, series.c.analyser.not_in(living())
        with self._reading() as connection:
            orphaned = connection.execute(sa.select(series.c.id).where(*nobodys).limit(1)).first()
        if orphaned:
            with self._changing(awaited=False) as (connection, _):
                connection.execute(sa.update(series).where(*nobodys).values(analyser=analyser))
        query = (
            sa.select(
                instance.c.id, instance.c.series_id, instance.c.path, series.c.urgency, series.c.model_title
            )
            .join(series, instance.c.series_id == series.c.id)
            .where(instance.c.id > after, series.c.analyser == analyser, *coming)
            .order_by(instance.c.id)
        )
        with self._reading() as connection:
            return [Arrived(*row) for row in connection.execute(query)]

    def model_titles(self) -> frozenset[str]:
        """The called titles by whose own models series that are under way will be analysed."""
        named = sa.select(series.c.model_title).where(series.c.state.in_(UNDER_WAY)).distinct()
        with self._reading() as connection:
            return frozenset(connection.execute(named).scalars()) - {USUAL}

    def skews_s(self) -> Mapping[str, float]:
        """By how much the clock of each living executor's host is ahead of the database's, in seconds."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(executor.c.executor_id, executor.c.skew_s))
            return {str(name): float(skew_s) for name, skew_s in rows}

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """Journal how far the analysis of a series has come; see `ports.ProgressLog`."""
        with self._changing(awaited=False) as (connection, revision):
            facts = {"stage": stage, "windows_done": done, "windows_total": total}
            here = series.c.id == series_id, series.c.state.in_(UNDER_WAY)
            connection.execute(sa.update(series).where(*here).values(revision=revision, **facts))


def living() -> sa.Select[str]:
    """Executors that live; who was not heard of for a while is struck from the table, see `heartbeat`."""
    return sa.select(executor.c.executor_id)
