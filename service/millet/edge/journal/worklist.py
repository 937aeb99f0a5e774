"""The journal as gRPC and the page see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.codec import record
from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.core.job import State
from millet.core.language import Language
from millet.core.readers import Acknowledgement
from millet.core.stated import expected
from millet.edge.journal.base import Base
from millet.edge.journal.clock import now_utc
from millet.edge.journal.deliveries import DEAD, DISMISSED
from millet.edge.journal.listing import OF_PATIENTS, conditions, order
from millet.edge.journal.outgoing import PENDING
from millet.edge.journal.reader_tables import acknowledgement
from millet.edge.journal.readers import acknowledgement_of
from millet.edge.journal.tables import alert, analysis, counter, delivery, instance, made, series
from millet.ports import SeriesKey, SeriesStatus, WorklistQuery

SEEN = "seen_"
"""Before the names of what an acknowledgement has in common with its series."""
_SEEN = ("person", "recognised", "at_utc", "generation", "triage", "withdrawn")


class Worklist(Base):
    """A `ports.Worklist` but for the bytes of objects, which lie in the object store."""

    def series(self, query: WorklistQuery) -> Sequence[SeriesStatus]:
        """Series that match, most urgent triage first, then the best of a study, then longest waiting."""
        wanted = sa.select(series).where(*conditions(query)).order_by(*order(series, query))
        if query.limit or query.offset:
            wanted = wanted.limit(query.limit or 2**31 - 1).offset(query.offset)
        page = wanted.subquery()
        return self._statuses(_series_statuses(page).order_by(*order(page, query)))

    def revision(self) -> int:
        """The revision of the last change of any series."""
        last = sa.select(counter.c.value).where(counter.c.name == "revision")
        with self._reading() as connection:
            return int(connection.execute(last).scalar_one())

    def changed(self, after_revision: int, limit: int = 0) -> Sequence[SeriesStatus]:
        """Series changed after a revision, oldest change first."""
        newer = _series_statuses().where(series.c.revision > after_revision, OF_PATIENTS)
        return self._statuses(newer.order_by(series.c.revision).limit(limit or None))

    def revisions(self, after_revision: int, limit: int) -> Sequence[int]:
        """Those of what `changed` would tell."""
        newer = sa.select(series.c.revision).where(series.c.revision > after_revision, OF_PATIENTS)
        with self._reading() as connection:
            found = connection.execute(newer.order_by(series.c.revision).limit(limit))
            return [int(one) for one in found.scalars()]

    def expected_instances(self, key: SeriesKey) -> int | None:
        """How many instances the tags of a series say that it has; see `ports.Worklist`."""
        last = (
            sa.select(instance.c.header, series.c.instances)
            .join_from(instance, series, instance.c.series_id == series.c.id)
            .where(series.c.site == key.site, series.c.series_uid == key.series_uid)
            .order_by(instance.c.id.desc())
            .limit(1)
        )
        with self._reading() as connection:
            row = connection.execute(last).one_or_none()
        return None if row is None else expected(header_codec.decode(row.header), row.instances)

    def analysis(self, key: SeriesKey) -> Analysis | None:
        """The newest committed analysis of a series."""
        query = _newest(key, analysis.c.document)
        with self._reading() as connection:
            document = connection.execute(query).scalars().first()
        return None if document is None else record.decode(document)

    def analysis_mark(self, key: SeriesKey) -> str | None:
        """What tells the newest committed analysis of a series from any other."""
        query = _newest(key, analysis.c.id)
        with self._reading() as connection:
            number = connection.execute(query).scalars().first()
        return None if number is None else str(number)

    def object_path(self, key: SeriesKey, kind: str, generation: int = 0) -> str | None:
        """Where an object of the newest analysis, of a generation or of all, lies in the object store.

        None where it was not made, or retention removed it.
        """
        of = (analysis.c.generation == generation,) if generation else ()
        newest = _newest(key, analysis.c.id).where(*of).scalar_subquery()
        there = made.c.kind == kind, made.c.removed_utc.is_(None)
        query = sa.select(made.c.path).where(made.c.analysis_id == newest, *there)
        with self._reading() as connection:
            return connection.execute(query).scalars().first()

    def counts(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """How many series are in each state, and how many deliveries."""
        with self._reading() as connection:
            return _count(connection, series.c.state, OF_PATIENTS), _count(connection, delivery.c.state)

    def oldest_waits_s(self) -> Mapping[int, float]:
        """How long the complete series that has waited longest has waited to be begun, by urgency."""
        waiting = (
            sa.select(series.c.urgency, sa.func.min(series.c.closed_utc))
            .where(series.c.state == State.QUEUED, OF_PATIENTS)
            .group_by(series.c.urgency)
        )
        with self._reading() as connection:
            now = connection.execute(sa.select(now_utc())).scalar_one()
            rows = connection.execute(waiting).all()
        return {urgency: (now - closed).total_seconds() for urgency, closed in rows if closed is not None}

    def _statuses(self, query: sa.Select[Any]) -> Sequence[SeriesStatus]:
        with self._reading() as connection:
            return [_status(row, self._language) for row in connection.execute(query).mappings()]


def _count(
    connection: sa.Connection, column: sa.Column[str], *conditions: sa.ColumnElement[bool]
) -> Mapping[str, int]:
    rows = connection.execute(sa.select(column, sa.func.count()).where(*conditions).group_by(column))
    return {state: int(number) for state, number in rows}


def _newest(key: SeriesKey, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .join_from(analysis, series, analysis.c.series_id == series.c.id)
        .where(series.c.site == key.site, series.c.series_uid == key.series_uid)
        .order_by(analysis.c.generation.desc(), analysis.c.id.desc())
        .limit(1)
    )


def _series_statuses(rows: sa.FromClause = series) -> sa.Select[Any]:
    """Each of these series with its newest analysis, if any, and its deliveries that are out."""
    other = analysis.alias()
    newest = (
        sa.select(other.c.id)
        .where(other.c.series_id == rows.c.id)
        .order_by(other.c.generation.desc(), other.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = (
        analysis.c.outcome,
        analysis.c.reason_code,
        analysis.c.triage,
        sa.func.coalesce(analysis.c.triage_reason, "").label("triage_reason"),
        analysis.c.created_utc.label("analysed_utc"),
        analysis.c.nodules,
        analysis.c.count_reliable,
        analysis.c.generation.label("analysed_generation"),
        alert.c.triage_before,
        *(acknowledgement.c[name].label(f"{SEEN}{name}") for name in _SEEN),
    )
    joined = rows.outerjoin(analysis, analysis.c.id == newest).outerjoin(
        alert, sa.and_(alert.c.series_id == rows.c.id, alert.c.generation == analysis.c.generation)
    )
    joined = joined.outerjoin(acknowledgement, acknowledgement.c.id == rows.c.acknowledgement_id)
    states = {"pending": PENDING, "dead": DEAD, "dismissed": DISMISSED}
    sent = (_deliveries(state).label(f"deliveries_{name}") for name, state in states.items())
    return sa.select(rows, *found, *sent).select_from(joined)


def _deliveries(state: str) -> sa.ScalarSelect[int]:
    """How many deliveries of the analysis are in a state."""
    return (
        sa.select(sa.func.count())
        .select_from(delivery)
        .join(made, delivery.c.object_id == made.c.id)
        .where(made.c.analysis_id == analysis.c.id, delivery.c.state == state)
        .scalar_subquery()
    )


def _status(row: sa.RowMapping, language: Language) -> SeriesStatus:
    taken = {name: row[name] for name in _TAKEN}
    return SeriesStatus(
        key=SeriesKey(site=row["site"], series_uid=row["series_uid"]),
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reason_code=row["reason_code"] or row["parked_for"],
        language=language,
        triage=_level(row["triage"]),
        triage_before=_level(row["triage_before"]),
        analysed_generation=row["analysed_generation"] or 0,
        acknowledgement=_acknowledgement(row),
        **taken,
    )


def _level(kept: str | None) -> TriageLevel | None:
    return None if kept is None else TriageLevel(kept)


def _acknowledgement(row: sa.RowMapping) -> Acknowledgement | None:
    seen = {name: row[f"{SEEN}{name}"] for name in _SEEN}
    return None if seen["person"] is None else acknowledgement_of(seen)


_NOT_TAKEN = {
    "key",
    "outcome",
    "reason_code",
    "triage",
    "triage_before",
    "analysed_generation",
    "acknowledgement",
    "language",
}
_TAKEN = tuple(one.name for one in fields(SeriesStatus) if one.name not in _NOT_TAKEN)
"""Fields that the query's columns are named after."""
