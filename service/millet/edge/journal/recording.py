"""How instances come into the journal: a batch at a time, together with how far the spool is indexed.

One transaction, whatever the batch: what is known of its instances and series is asked at once, and each
table is written once. The revision's row is taken first, so that two processes which record the same
series do so one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.core.job import Event, State, advance
from millet.edge.journal.base import Base
from millet.edge.journal.database import bump
from millet.edge.journal.tables import instance, segment, series
from millet.ports import Entry, Known, Recorded, SeriesKey

ASKED_AT_ONCE = 1000
"""Identifiers in one question; databases take some tens of thousands."""
NO_SEGMENTS: Mapping[str, int] = {}


class _Same(NamedTuple):
    """What makes an instance the same one."""

    site: str
    sop_instance_uid: str
    digest: str


class _New(NamedTuple):
    """An instance of the batch that the journal does not hold."""

    entry: Entry
    conflict: bool


class _Here(NamedTuple):
    """The generation of a series that an instance belongs to."""

    series_id: int
    generation: int


class Recording(Base):
    """An `InstanceIndex`, and the first method of an `InstanceLog`."""

    def record(self, entry: Entry) -> Recorded:
        """Journal a durable instance; see `ports.InstanceLog`."""
        return self.record_all([entry])[0]

    def record_all(
        self, entries: Sequence[Entry], segments: Mapping[str, int] = NO_SEGMENTS
    ) -> Sequence[Recorded]:
        """Journal a batch, and how far segments are indexed; see `ports.InstanceIndex`."""
        with self._writing(awaited=False) as connection:
            last = bump(connection, len({_key(entry) for entry in entries}))
            held = _held(connection, entries)
            new = _new(entries, held)
            here = _places(connection, new.values(), last)
            made = {same: _recorded(here[_key(one.entry)], one) for same, one in new.items()}
            if rows := [_instance_values(one.entry, made[same]) for same, one in new.items()]:
                connection.execute(sa.insert(instance), rows)
            _mark(connection, segments)
        return [_told(_same(entry), held, made) for entry in entries]

    def indexed(self) -> Mapping[str, int]:
        """How far each segment is indexed; see `ports.InstanceIndex`."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(segment.c.name, segment.c.indexed_bytes))
            return {name: int(indexed_bytes) for name, indexed_bytes in rows}

    def forget_segments(self, names: Iterable[str]) -> None:
        """Segments that are no more; see `ports.InstanceIndex`."""
        with self._writing(awaited=False) as connection:
            _forget(connection, names)

    def known_instances(self, site: str, sop_instance_uids: Sequence[str]) -> Sequence[Known]:
        """What the journal holds under some UIDs; see `ports.InstanceIndex`."""
        with self._reading() as connection:
            return [Known(**row) for row in _under(connection, site, sop_instance_uids)]


def _same(entry: Entry) -> _Same:
    return _Same(entry.source.site, entry.header.sop_instance_uid, entry.stored.digest)


def _recorded(here: _Here, one: _New) -> Recorded:
    return Recorded(here.series_id, here.generation, new=True, conflict=one.conflict)


def _key(entry: Entry) -> SeriesKey:
    return SeriesKey(site=entry.source.site, series_uid=entry.header.series_uid)


def _chunks(names: Iterable[str]) -> Iterator[Sequence[str]]:
    left = iter(dict.fromkeys(names))
    while chunk := list(islice(left, ASKED_AT_ONCE)):
        yield chunk


def _by_site(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    """A batch has seldom more than one site."""
    sorted_out: dict[str, list[Entry]] = {}
    for entry in entries:
        sorted_out.setdefault(entry.source.site, []).append(entry)
    return sorted_out


def _under(connection: sa.Connection, site: str, uids: Iterable[str]) -> Iterator[sa.RowMapping]:
    """Instances of a site with these SOP Instance UIDs."""
    asked = sa.select(*(instance.c[name] for name in Known._fields)).where(instance.c.site == site)
    for chunk in _chunks(uids):
        these = asked.where(instance.c.sop_instance_uid.in_(chunk)).order_by(instance.c.id)
        yield from connection.execute(these).mappings()


def _held(connection: sa.Connection, entries: Iterable[Entry]) -> dict[_Same, Recorded]:
    """What the journal holds under the UIDs of the batch, whatever its bytes."""
    return {
        _Same(site, row["sop_instance_uid"], row["digest"]): Recorded(
            row["series_id"], row["generation"], new=False, conflict=row["conflict"]
        )
        for site, some in _by_site(entries).items()
        for row in _under(connection, site, (entry.header.sop_instance_uid for entry in some))
    }


def _new(entries: Iterable[Entry], held: Mapping[_Same, Recorded]) -> Mapping[_Same, _New]:
    """What is neither held nor a repetition within the batch, in order."""
    uids = {same[:2] for same in held}
    new: dict[_Same, _New] = {}
    for entry in entries:
        same = _same(entry)
        if same not in held and same not in new:
            new[same] = _New(entry, conflict=same[:2] in uids)
            uids.add(same[:2])
    return new


def _told(same: _Same, held: Mapping[_Same, Recorded], made: dict[_Same, Recorded]) -> Recorded:
    """A new instance is new once, and known when the batch repeats it."""
    if same in held:
        return held[same]
    told = made[same]
    made[same] = told._replace(new=False)
    return told


def _places(connection: sa.Connection, new: Iterable[_New], last: int) -> Mapping[SeriesKey, _Here]:
    """Write what the instances change in their series, and tell where each belongs.

    The series take the revisions up to `last`, each its own.
    """
    coming: dict[SeriesKey, list[Entry]] = {}
    for one in new:
        coming.setdefault(_key(one.entry), []).append(one.entry)
    rows = {
        SeriesKey(site=site, series_uid=row.series_uid): row
        for site, some in _by_site(entries[0] for entries in coming.values()).items()
        for row in _series_rows(connection, site, (entry.header.series_uid for entry in some))
    }
    revisions = dict(zip(coming, range(last - len(coming) + 1, last + 1), strict=True))
    grown = {key: _grown(rows[key], entries) for key, entries in coming.items() if key in rows}
    begun = {key: _begun(entries) for key, entries in coming.items() if key not in rows}
    places = {key: _Here(values["series"], values["generation"]) for key, values in grown.items()}
    if grown:
        told = [values | {"new_revision": revisions[key]} for key, values in grown.items()]
        connection.execute(_GROWING, told)
    if begun:
        values = [facts | {"revision": revisions[key]} for key, facts in begun.items()]
        made = sa.insert(series).returning(series.c.id, sort_by_parameter_order=True)
        ids = connection.execute(made, values).scalars()
        places |= {key: _Here(series_id, 1) for key, series_id in zip(begun, ids, strict=True)}
    return places


def _series_rows(connection: sa.Connection, site: str, uids: Iterable[str]) -> Iterator[sa.Row[Any]]:
    columns = [series.c[name] for name in ("id", "series_uid", "state", "generation", "instances", *_ANEW)]
    for chunk in _chunks(uids):
        asked = sa.select(*columns).where(series.c.site == site, series.c.series_uid.in_(chunk))
        yield from connection.execute(asked.with_for_update())


_ANEW: Mapping[str, Any] = {"stage": "", "windows_done": 0, "windows_total": 0}
"""What a series that is opened again has of its progress."""
_GROWING = (
    sa.update(series)
    .where(series.c.id == sa.bindparam("series"))
    .values({name: sa.bindparam(name) for name in ("state", "generation", "last_received_utc", *_ANEW)})
    .values(instances=series.c.instances + sa.bindparam("more"), revision=sa.bindparam("new_revision"))
)


def _grown(row: sa.Row[Any], entries: Sequence[Entry]) -> dict[str, Any]:
    """More instances of a known series; a closed one is opened as its next generation."""
    state = State(row.state)
    closed = state is not State.RECEIVING
    progress = _ANEW if closed else {name: getattr(row, name) for name in _ANEW}
    return {
        "series": row.id,
        "state": advance(state, Event.ARRIVE),
        "generation": row.generation + closed,
        "more": len(entries),
        "last_received_utc": entries[-1].received_utc,
        **progress,
    }


def _begun(entries: Sequence[Entry]) -> dict[str, Any]:
    """A series that begins with these instances."""
    first, header, patient = entries[0], entries[0].header, entries[0].header.patient
    return {
        "site": first.source.site,
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
        "sender": first.source.calling_ae,
        "urgency": first.urgency,
        "model_title": first.model_title,
        "state": State.RECEIVING,
        "generation": 1,
        "instances": len(entries),
        "first_received_utc": first.received_utc,
        "last_received_utc": entries[-1].received_utc,
    }


def _instance_values(entry: Entry, made: Recorded) -> dict[str, Any]:
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


def _mark(connection: sa.Connection, segments: Mapping[str, int]) -> None:
    if segments:
        _forget(connection, segments)
        rows = [{"name": name, "indexed_bytes": indexed} for name, indexed in segments.items()]
        connection.execute(sa.insert(segment), rows)


def _forget(connection: sa.Connection, names: Iterable[str]) -> None:
    for chunk in _chunks(names):
        connection.execute(sa.delete(segment).where(segment.c.name.in_(chunk)))
