"""The journal as intake sees it: which instances came, which series are open, which are closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.core.best import Candidate
from millet.core.job import Event, State, advance
from millet.core.series import SliceHeader
from millet.edge.journal import studies
from millet.edge.journal.arrivals import living
from millet.edge.journal.base import Job
from millet.edge.journal.recording import Recording
from millet.edge.journal.tables import executor, instance, series
from millet.ports import OpenSeries


class Instances(Recording):
    """An `InstanceLog`."""

    def open_series(self) -> Sequence[OpenSeries]:
        """Every series that is being received."""
        newest = sa.select(instance.c.path).where(instance.c.series_id == series.c.id)
        newest = newest.order_by(instance.c.id.desc()).limit(1)
        query = sa.select(series.c.id, series.c.generation, newest.scalar_subquery())
        query = query.where(series.c.state == State.RECEIVING).order_by(series.c.id)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [OpenSeries(series_id=i, generation=g, last_path=path) for i, g, path in rows]

    def held(self, series_id: int) -> int:
        """How many different instances of a series there are."""
        uids = sa.func.count(sa.distinct(instance.c.sop_instance_uid))
        with self._reading() as connection:
            return int(
                connection.execute(sa.select(uids).where(instance.c.series_id == series_id)).scalar_one()
            )

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """The headers of all instances of a series, in the order of arrival."""
        query = sa.select(instance.c.header).where(instance.c.series_id == series_id).order_by(instance.c.id)
        with self._reading() as connection:
            return tuple(header_codec.decode(document) for document in connection.execute(query).scalars())

    def close(
        self, series_id: int, generation: int, now_utc: datetime, candidate: Candidate | None = None
    ) -> bool:
        """Journal that a generation is to be analysed, with its job, in one transaction."""
        with self._changing() as (connection, revision):
            to = advance(State.RECEIVING, Event.CLOSE)
            closed = connection.execute(
                sa.update(series)
                .where(series.c.id == series_id, series.c.generation == generation)
                .where(series.c.state == State.RECEIVING)
                .values(state=to, closed_utc=now_utc, revision=revision, stage="")
                .returning(series.c.urgency, series.c.analyser, series.c.model_title)
            ).one_or_none()
            if closed:
                alive = connection.execute(living().where(executor.c.executor_id == closed.analyser))
                analyser = alive.scalar_one_or_none() or ""
                job = Job(series_id, generation, closed.urgency, analyser, closed.model_title)
                self._enqueue(connection, job)
                if candidate:
                    studies.closed(connection, series_id, candidate)
            return closed is not None

    def known_paths(self) -> frozenset[str]:
        """The spool paths of all journalled instances."""
        with self._reading() as connection:
            return frozenset(connection.execute(sa.select(instance.c.path)).scalars())
