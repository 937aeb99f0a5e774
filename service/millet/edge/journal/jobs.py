"""The journal as a worker sees it: claim a generation, commit its analysis, or park it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from millet.codec import record
from millet.core import media
from millet.core.analysis import Analysis, Outcome
from millet.core.job import Event, State, advance
from millet.edge.journal import notices, studies
from millet.edge.journal.base import Base
from millet.edge.journal.generations import predecessor, raise_alert
from millet.edge.journal.outgoing import Topic, insert, keep, send
from millet.edge.journal.provisional import forget_provisional
from millet.edge.journal.tables import ORDER, instance, series
from millet.edge.journal.tables import analysis as analyses
from millet.ports import Flag, KeptObject, SeriesKey, Work

WORKABLE = (State.QUEUED, State.ANALYSING)


class Jobs(Base):
    """A `JobQueue`."""

    def claim(self, series_id: int, generation: int) -> Work | None:
        """Begin, or begin again after a crash; see `ports.JobQueue`."""
        with self._changing() as (connection, revision):
            row = _workable(connection, series_id, generation)
            if row is None:
                return None
            _move(connection, row, Event.CLAIM, revision=revision)
            instances = connection.execute(
                sa.select(instance.c.path, instance.c.called_ae)
                .where(instance.c.series_id == series_id, instance.c.generation <= generation)
                .order_by(instance.c.id)
            ).all()
            return Work(
                series_id=series_id,
                generation=generation,
                key=SeriesKey(site=row.site, series_uid=row.series_uid),
                study_uid=row.study_uid,
                closed_utc=row.closed_utc,
                urgency=row.urgency,
                paths=tuple(path for path, _ in instances),
                called_ae=instances[0].called_ae if instances else "",
                model_title=row.model_title,
                predecessor=predecessor(connection, row, generation),
            )

    def commit(
        self,
        work: Work,
        analysis: Analysis,
        objects: Sequence[KeptObject],
        destinations: Sequence[str],
        flag: Flag | None = None,
    ) -> bool:
        """Journal an analysis, its objects and their deliveries; see `ports.JobQueue`."""
        flag = flag or Flag()
        with self._changing() as (connection, revision):
            row = connection.execute(
                sa.select(series).where(series.c.id == work.series_id).with_for_update()
            ).one()
            here = row.generation == work.generation
            if (here and row.state not in WORKABLE) or _committed(connection, work, analysis):
                return False
            analysis_id = insert(connection, analyses, _analysis_values(work, analysis, flag))
            _sort(connection, work, analysis)
            for one in objects:
                object_id, topics = keep(connection, analysis_id, one), _topics(work, one)
                for destination in destinations if one.deliver else ():
                    if destination not in one.unwanted_by:
                        send(connection, object_id, destination, topics)
            if here:
                refused = analysis.outcome is Outcome.NOT_ANALYSED
                event = Event.REFUSE if refused else Event.FINISH
                _move(connection, row, event, revision=revision, stage="")
                studies.committed(connection, work.series_id, analysis)
            raise_alert(connection, work, analysis)
            notices.concern(connection, row, flag.recipients, revision)
            forget_provisional(connection, work.series_id)
            return True

    def park(self, series_id: int, generation: int, reason_code: str) -> None:
        """Give up until an operator looks; see `ports.JobQueue`."""
        with self._changing() as (connection, revision):
            if row := _workable(connection, series_id, generation):
                _move(connection, row, Event.PARK, revision=revision, parked_for=reason_code, stage="")
                forget_provisional(connection, series_id)


def _topics(work: Work, one: KeptObject) -> Sequence[Topic]:
    """A result of a series takes the place of that of an earlier generation, where its kind is replaced."""
    here = Topic(work.key.site, work.key.series_uid, work.generation)
    return [here] if media.is_replaced(one.kind) else ()


def _workable(connection: sa.Connection, series_id: int, generation: int) -> sa.Row[Any] | None:
    return connection.execute(
        sa.select(series)
        .where(series.c.id == series_id, series.c.generation == generation)
        .where(series.c.state.in_(WORKABLE))
        .with_for_update()
    ).one_or_none()


def _move(connection: sa.Connection, row: sa.Row[Any], event: Event, **facts: Any) -> None:
    to = advance(State(row.state), event)
    moved = sa.update(series).where(series.c.id == row.id)
    connection.execute(moved.values(state=to, **facts))


def _committed(connection: sa.Connection, work: Work, analysis: Analysis) -> bool:
    by = analysis.provenance
    query = sa.select(analyses.c.id).where(
        analyses.c.series_id == work.series_id,
        analyses.c.generation == work.generation,
        analyses.c.model_digest == by.model_digest,
        analyses.c.configuration_digest == by.configuration_digest,
    )
    return connection.execute(query).first() is not None


def _sort(connection: sa.Connection, work: Work, analysis: Analysis) -> None:
    """The worklist is sorted by the newest analysis: of the latest generation, and of that the last."""
    later = sa.exists().where(analyses.c.series_id == work.series_id, analyses.c.generation > work.generation)
    here = sa.update(series).where(series.c.id == work.series_id, ~later)
    connection.execute(here.values(triage_order=ORDER[analysis.triage.level]))


def _analysis_values(work: Work, analysis: Analysis, flag: Flag) -> dict[str, Any]:
    return {
        "series_id": work.series_id,
        "generation": work.generation,
        "outcome": analysis.outcome,
        "reason_code": analysis.reason_code,
        "triage": analysis.triage.level,
        "triage_reason": str(analysis.triage.reasons[0]),
        "nodules": len(analysis.nodules),
        "model_digest": analysis.provenance.model_digest,
        "configuration_digest": analysis.provenance.configuration_digest,
        "document": record.encode(analysis),
        "created_utc": analysis.created_utc,
        "count_reliable": analysis.count_reliable,
        "grounds": notices.written(flag.grounds),
    }
