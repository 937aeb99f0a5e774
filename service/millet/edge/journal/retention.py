"""The journal as retention sees it: who still needs a segment of the spool, or the objects of an analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from millet.core import canary
from millet.core.job import State
from millet.core.retention import LARGE, AnalysisFacts
from millet.edge.journal.base import Base
from millet.edge.journal.clock import now_utc
from millet.edge.journal.deliveries import DEAD
from millet.edge.journal.outgoing import PENDING
from millet.edge.journal.tables import analysis, delivery, instance, made, series
from millet.ports.retention import LargeObject, SegmentUse

ENDED = (State.ANALYSED, State.NOT_ANALYSED)
"""A series that is parked waits for an operator, who will want its bytes."""


class Segments(Base):
    """A `SegmentLog`, but for what `InstanceIndex` has already."""

    def segment_use(self, name: str) -> SegmentUse:
        """Who still needs a segment; see `ports.retention.SegmentLog`."""
        mine = sa.select(instance.c.series_id).where(instance.c.path.startswith(f"{name}@", autoescape=True))
        waiting = (
            sa.select(analysis.c.series_id)
            .join(made, made.c.analysis_id == analysis.c.id)
            .join(delivery, delivery.c.object_id == made.c.id)
            .where(delivery.c.state == PENDING)
        )
        unfinished = sa.or_(series.c.state.not_in(ENDED), series.c.id.in_(waiting))
        query = sa.select(
            sa.func.count().filter(unfinished),
            sa.func.max(series.c.last_received_utc),
            sa.func.max(series.c.closed_utc),
        ).where(series.c.id.in_(mine))
        with self._reading() as connection:
            count, *times = connection.execute(query).one()
        return SegmentUse(count, max((one for one in times if one), default=None))


class Made(Base):
    """A `MadeLog`."""

    def large_kept(self) -> Iterable[AnalysisFacts]:
        """Analyses with large objects; see `ports.retention.MadeLog`."""
        with self._reading() as connection:
            rows = connection.execute(_with_large()).all()
        return [
            AnalysisFacts(
                analysis_id=row.id,
                unfinished=row.state not in ENDED or row.undelivered,
                passing=row.replaced or row.site == canary.NAME,
                last_utc=max(filter(None, (row.last_received_utc, row.closed_utc, row.arrived_utc))),
            )
            for row in rows
        ]

    def large_objects(self, analysis_id: int) -> Sequence[LargeObject]:
        """Those of an analysis; see `ports.retention.MadeLog`."""
        query = sa.select(made.c.kind, made.c.path).where(made.c.analysis_id == analysis_id, *_THERE)
        with self._reading() as connection:
            return [LargeObject(*row) for row in connection.execute(query)]

    def forget_large(self, analysis_id: int) -> Sequence[str]:
        """They are no more; see `ports.retention.MadeLog`."""
        gone = sa.update(made).where(made.c.analysis_id == analysis_id, *_THERE)
        with self._writing(awaited=False) as connection:
            told = connection.execute(gone.values(removed_utc=now_utc()).returning(made.c.kind))
            return told.scalars().all()


_THERE = (made.c.kind.in_(LARGE), made.c.removed_utc.is_(None))


def _with_large() -> sa.Select[tuple[int, str, str, datetime, datetime | None, datetime | None, bool, bool]]:
    """Each analysis with its series, and what became of its deliveries."""
    later = analysis.alias()
    own = delivery.join(made, made.c.id == delivery.c.object_id)
    mine = made.c.analysis_id == analysis.c.id
    replaced = sa.exists().where(
        later.c.series_id == analysis.c.series_id, later.c.generation > analysis.c.generation
    )
    out = sa.select(delivery.c.id).select_from(own).where(mine, delivery.c.state.in_((PENDING, DEAD)))
    arrived = sa.select(sa.func.max(delivery.c.done_utc)).select_from(own).where(mine)
    return (
        sa.select(
            analysis.c.id,
            series.c.site,
            series.c.state,
            series.c.last_received_utc,
            series.c.closed_utc,
            arrived.correlate(analysis).scalar_subquery().label("arrived_utc"),
            out.correlate(analysis).exists().label("undelivered"),
            replaced.label("replaced"),
        )
        .join(series, series.c.id == analysis.c.series_id)
        .where(analysis.c.id.in_(sa.select(made.c.analysis_id).where(*_THERE)))
    )
