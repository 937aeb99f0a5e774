"""The journal as intake sees it: which instances came, which series are open, which are closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.core.best import Candidate
from millet.core.job import Event, State, advance
from millet.core.series import SliceHeader
from millet.edge.journal import studies
from millet.edge.journal.arrivals import living
from millet.edge.journal.base import Base, Job
from millet.edge.journal.database import bump
from millet.edge.journal.tables import instance, series
from millet.ports import Entry, OpenSeries, Recorded


class Instances(Base):
    """An `InstanceLog`."""

    def record(self, entry: Entry) -> Recorded:
        """Journal a durable instance; see `ports.InstanceLog`."""
        with self._writing(awaited=False) as connection:
            revision = bump(connection)
            known = _known(connection, entry)
            same = [row for row in known if row.digest == entry.stored.digest]
            if same:
                return Recorded(same[0].series_id, same[0].generation, new=False, conflict=same[0].conflict)
            if row := _series_row(connection, entry):
                here = _again(connection, row, entry, revision)
            else:
                here = _new_series(connection, entry, revision)
            made = Recorded(*here, new=True, conflict=bool(known))
            connection.execute(sa.insert(instance).values(_instance_values(entry, made)))
            return made

    def open_series(self) -> Sequence[OpenSeries]:
        """Every series that is being received."""
        query = sa.select(series.c.id, series.c.generation).where(series.c.state == State.RECEIVING)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(series.c.id)).all()
        return [OpenSeries(series_id=i, generation=g, headers=self.headers(i)) for i, g in rows]

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """The headers of all instances of a series, in the order of arrival."""
        query = sa.select(instance.c.header).where(instance.c.series_id == series_id).order_by(instance.c.id)
        with self._reading() as connection:
            return tuple(header_codec.decode(document) for document in connection.execute(query).scalars())

    def close(
        self, series_id: int, generation: int, now_utc: datetime, candidate: Candidate | None = None
    ) -> bool:
        """Journal that a generation is to be analysed, with its job, in one transaction."""
        with self._writing() as connection:
            revision = bump(connection)
            to = advance(State.RECEIVING, Event.CLOSE)
            closed = connection.execute(
                sa.update(series)
                .where(series.c.id == series_id, series.c.generation == generation)
                .where(series.c.state == State.RECEIVING)
                .values(state=to, closed_utc=now_utc, revision=revision, stage="")
                .returning(series.c.urgency, series.c.analyser)
            ).one_or_none()
            if closed:
                alive = connection.execute(living(now_utc)).scalars().all()
                analyser = closed.analyser if closed.analyser in alive else ""
                self._enqueue(connection, Job(series_id, generation, closed.urgency, analyser))
                if candidate:
                    studies.closed(connection, series_id, candidate)
            return closed is not None

    def known_paths(self) -> frozenset[str]:
        """The spool paths of all journalled instances."""
        with self._reading() as connection:
            return frozenset(connection.execute(sa.select(instance.c.path)).scalars())


def _known(connection: sa.Connection, entry: Entry) -> Sequence[sa.Row[Any, Any, Any, Any]]:
    """Instances of this site with the same SOP Instance UID."""
    return connection.execute(
        sa.select(instance.c.series_id, instance.c.generation, instance.c.digest, instance.c.conflict)
        .where(instance.c.site == entry.source.site)
        .where(instance.c.sop_instance_uid == entry.header.sop_instance_uid)
    ).all()


def _series_row(connection: sa.Connection, entry: Entry) -> sa.Row[Any] | None:
    return connection.execute(
        sa.select(series)
        .where(series.c.site == entry.source.site, series.c.series_uid == entry.header.series_uid)
        .with_for_update()
    ).one_or_none()


def _new_series(connection: sa.Connection, entry: Entry, revision: int) -> tuple[int, int]:
    facts = _series_facts(entry) | {
        "state": State.RECEIVING,
        "generation": 1,
        "instances": 1,
        "first_received_utc": entry.received_utc,
        "last_received_utc": entry.received_utc,
        "revision": revision,
    }
    made = connection.execute(sa.insert(series).values(facts).returning(series.c.id))
    return int(made.scalar_one()), 1


def _again(connection: sa.Connection, row: sa.Row[Any], entry: Entry, revision: int) -> tuple[int, int]:
    """One more instance of a known series; a closed one is opened as its next generation."""
    state = State(row.state)
    closed = state is not State.RECEIVING
    generation = row.generation + closed
    anew = {"stage": "", "windows_done": 0, "windows_total": 0} if closed else {}
    connection.execute(
        sa.update(series)
        .where(series.c.id == row.id)
        .values(
            state=advance(state, Event.ARRIVE),
            generation=generation,
            instances=row.instances + 1,
            last_received_utc=entry.received_utc,
            revision=revision,
            **anew,
        )
    )
    return row.id, generation


def _series_facts(entry: Entry) -> dict[str, Any]:
    header, patient = entry.header, entry.header.patient
    return {
        "site": entry.source.site,
        "series_uid": header.series_uid,
        "study_uid": header.study_uid,
        "issuer": patient.issuer,
        "patient_id": patient.patient_id,
        "patient_name": patient.name,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
        "accession": header.accession,
        "study_date": header.study_date,
        "description": header.series_description,
        "sender": entry.source.calling_ae,
        "urgency": entry.urgency,
    }


def _instance_values(entry: Entry, made: Recorded) -> Mapping[str, Any]:
    return {
        "series_id": made.series_id,
        "generation": made.generation,
        "site": entry.source.site,
        "sop_instance_uid": entry.header.sop_instance_uid,
        "sop_class_uid": entry.header.sop_class_uid,
        "transfer_syntax_uid": entry.header.transfer_syntax_uid,
        "digest": entry.stored.digest,
        "path": entry.stored.path,
        "size_bytes": entry.stored.size_bytes,
        "calling_ae": entry.source.calling_ae,
        "called_ae": entry.source.called_ae,
        "received_utc": entry.received_utc,
        "conflict": made.conflict,
        "header": header_codec.encode(entry.header),
    }
