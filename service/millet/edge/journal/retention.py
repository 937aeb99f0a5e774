"""The journal as retention sees it: who still needs a segment of the spool."""

from __future__ import annotations

import sqlalchemy as sa

from millet.core.job import State
from millet.edge.journal.base import Base
from millet.edge.journal.outgoing import PENDING
from millet.edge.journal.tables import analysis, delivery, instance, made, series
from millet.ports.retention import SegmentUse

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
