"""Second implementations of the ports; they pass the same contract tests as the real ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from instances import SOURCE, START_UTC

from millet.codec.ct import read_identity
from millet.core.analysis import Analysis, Outcome, Predecessor
from millet.core.best import Candidate
from millet.core.doors import USUAL
from millet.core.job import Event, State, advance
from millet.core.media import is_replaced
from millet.core.series import SliceHeader
from millet.core.uids import object_uid
from millet.edge.journal.base import Job
from millet.errors import RefusedInstance, StoreError
from millet.ports import (
    Among,
    Arrived,
    Delivery,
    Dismissal,
    Entry,
    Flag,
    Kept,
    KeptObject,
    Known,
    Later,
    Offer,
    OpenSeries,
    Recorded,
    Selection,
    SeriesKey,
    Stored,
    Topic,
    Work,
)


@dataclass
class HandClock:
    """Time that moves only when told."""

    now_s: float = 0.0

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return self.now_s

    def utc(self) -> datetime:
        """The same seconds after a fixed moment."""
        return START_UTC + timedelta(seconds=self.now_s)


class MemoryObjects:
    """An `ObjectStore` in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def write(self, encoded: bytes) -> Stored:
        """Keep bytes by their digest."""
        digest = hashlib.sha256(encoded).hexdigest()
        path = f"{digest[:2]}/{digest}.bin"
        self.kept[path] = encoded
        return Stored(path, digest, len(encoded))

    def read(self, path: str) -> bytes:
        """What was kept."""
        if path not in self.kept:
            raise StoreError("nothing there")
        return self.kept[path]

    def paths(self) -> Sequence[str]:
        """Everything that was kept."""
        return sorted(self.kept)

    def remove(self, paths: Iterable[str]) -> None:
        """Keep it no more."""
        for path in paths:
            self.kept.pop(path, None)


class MemorySpool:
    """A `Spool` in memory: a segment for each life of its process, an instance takes one byte."""

    def __init__(self) -> None:
        self.log: list[Kept] = []
        self.bodies: dict[str, bytes] = {}
        self.full = False
        self.lock = threading.Lock()
        self.others: set[str] = set()
        """Paths of what another receiver has."""
        self.began = [0]
        """Where the instances of each life begin."""

    def writer(self) -> MemoryWriter:
        """Something to append with."""
        return MemoryWriter(self)

    def write(self, encoded: bytes, offer: Offer | None = None) -> Stored:
        """Keep one instance, as a writer does."""
        header = None if offer else read_identity(encoded)
        named = (header.sop_class_uid, header.sop_instance_uid) if header else ("", "")
        writer = self.writer()
        writer.begin(offer or Offer(SOURCE, *named, "", 0), START_UTC)
        writer.write(encoded)
        return writer.commit()

    def restart(self) -> None:
        """What was received until now belongs to a process that is gone."""
        self.began.append(len(self.log))

    def read(self, path: str, most_bytes: int | None = None) -> bytes:
        """What was kept."""
        if path not in self.bodies:
            raise StoreError("nothing there")
        return self.bodies[path][:most_bytes]

    def paths(self) -> Sequence[str]:
        """Where everything lies that was kept."""
        return list(self.bodies)

    def readable(self) -> Mapping[str, int | None]:
        """The segments of the lives before, and that of this one."""
        *gone, now = (f"memory/{life:032x}" for life in range(len(self.began)))
        return {**dict.fromkeys(gone), now: len(self.log)}

    def kept(self, name: str, after: int, upto: int | None) -> Iterator[Kept]:
        """Instances of a segment."""
        life = int(name.partition("/")[2], 16)
        end = [*self.began[1:], upto][life]
        return iter(self.log[max(after, self.began[life]) : end])

    def is_anothers(self, path: str) -> bool:
        """Whether a test said so."""
        return path in self.others

    def journalled(self, name: str, upto: int) -> None:
        """Nothing to be done."""


class MemoryWriter:
    """A `SpoolWriter` of a `MemorySpool`."""

    def __init__(self, spool: MemorySpool) -> None:
        self._spool = spool
        self._offer: Offer | None = None
        self._body = b""

    def begin(self, offer: Offer, received_utc: datetime) -> None:
        """Begin an instance."""
        if self._spool.full:
            raise RefusedInstance(0xA700, "full")
        self._offer, self._utc, self._body = offer, received_utc, b""

    def write(self, piece: bytes | memoryview) -> None:
        """Some of its bytes."""
        self._body += piece

    def commit(self, head: bytes = b"") -> Stored:
        """Keep it."""
        assert self._offer is not None
        digest = hashlib.sha256(self._body).hexdigest()
        with self._spool.lock:
            end = len(self._spool.log) + 1
            stored = Stored(f"memory@{end}", digest, len(self._body))
            self._spool.bodies[stored.path] = self._body
            self._spool.log.append(Kept(stored, self._offer, self._utc, end, head))
        return stored

    def abandon(self) -> None:
        """Drop what was begun."""
        self._offer = None

    def close(self) -> None:
        """Nothing to be done."""


@dataclass
class _Series:
    key: SeriesKey
    study_uid: str
    state: State = State.RECEIVING
    generation: int = 1
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    """With the generation that each came in."""
    closed_utc: datetime = START_UTC
    analyser: str = ""
    progress: tuple[str, int, int] = ("", 0, 0)
    candidate: Candidate | None = None

    @property
    def urgency(self) -> int:
        return self.entries[0][1].urgency

    @property
    def model_title(self) -> str:
        return self.entries[0][1].model_title


@dataclass
class _Sent:
    delivery: Delivery
    next_try_s: float
    """By the journal's clock, as the others."""
    created_s: float
    sent_s: float | None = None
    state: str = "pending"
    holder: str = ""


def _report(work: Work, analysis: Analysis, kept: KeptObject) -> Predecessor:
    """A report, as the next generation's refers to it."""
    told = replace(analysis, site=work.key.site, series_uid=work.key.series_uid, generation=work.generation)
    return Predecessor(
        generation=work.generation,
        study_uid=work.study_uid,
        series_uid=object_uid(told, "sr-series"),
        sop_instance_uid=kept.sop_instance_uid,
    )


def _is_newer(one: Delivery, other: Delivery) -> bool:
    """Whether it takes the place of another one."""
    later = (one.generation, one.delivery_id) > (other.generation, other.delivery_id)
    return later and is_replaced(one.kind) and _topic(one) == _topic(other)


def _topic(delivery: Delivery) -> tuple[str, ...]:
    return delivery.destination, delivery.kind, delivery.site, delivery.series_uid


class MemoryJournal:
    """Every port of the journal but the worklist, in memory."""

    def __init__(self, clock: HandClock | None = None) -> None:
        self.clock = clock
        self._passed_s = 0.0
        self._lock = threading.Lock()
        self.queue: list[Job] = []
        self._living: set[str] = set()
        self._order: list[tuple[int, str]] = []
        """Series and paths of all instances, in the order of arrival."""
        self._series: list[_Series] = []
        self._analyses: dict[tuple[int, int, str, str], Analysis] = {}
        self._sent: list[_Sent] = []
        self._reports: dict[int, list[Predecessor]] = {}
        self._segments: dict[str, int] = {}
        self.flags: dict[tuple[int, int], Flag | None] = {}
        """Who must hear of a generation."""

    def state(self, series_id: int) -> str:
        """Where a series stands."""
        return self._series[series_id - 1].state.value

    @property
    def jobs(self) -> list[tuple[int, int]]:
        """Series and generation of each job that was enqueued."""
        return [(job.series_id, job.generation) for job in self.queue]

    def progress(self, series_id: int) -> tuple[str, int, int]:
        """How far the analysis of a series has come."""
        return self._series[series_id - 1].progress

    def candidate(self, series_id: int) -> Candidate | None:
        """What a series was closed with."""
        return self._series[series_id - 1].candidate

    def beat(self, analyser: str) -> None:
        """An analyser lives."""
        self._living.add(analyser)

    def strike(self, analyser: str) -> None:
        """An analyser is dead."""
        self._living.discard(analyser)

    def arrived(self, analyser: str, after: int, titles: Collection[str] = (USUAL,)) -> Sequence[Arrived]:
        """Lease what nobody living follows, and tell what came of it."""
        coming = [s for s in self._series if s.state is State.RECEIVING and s.model_title in titles]
        for one in coming:
            if one.analyser not in self._living:
                one.analyser = analyser
        mine = {
            i: (one.urgency, one.model_title)
            for i, one in enumerate(self._series, 1)
            if one in coming and one.analyser == analyser
        }
        return [
            Arrived(number, series_id, path, *mine[series_id])
            for number, (series_id, path) in enumerate(self._order, 1)
            if number > after and series_id in mine
        ]

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """Keep how far it has come, while it is under way."""
        one = self._series[series_id - 1]
        if one.state in {State.RECEIVING, State.QUEUED, State.ANALYSING}:
            one.progress = stage, done, total

    def record(self, entry: Entry) -> Recorded:
        """Journal an instance."""
        known = self._under(entry.source.site, entry.header.sop_instance_uid)
        for place, (series_id, generation, old) in enumerate(known):
            if old.stored.digest == entry.stored.digest:
                return Recorded(series_id, generation, new=False, conflict=place > 0)
        key = SeriesKey(site=entry.source.site, series_uid=entry.header.series_uid)
        one = next((s for s in self._series if s.key == key), None)
        if one is None:
            self._series.append(one := _Series(key=key, study_uid=entry.header.study_uid))
        if one.state is not State.RECEIVING:
            one.generation, one.progress = one.generation + 1, ("", 0, 0)
        one.state = advance(one.state, Event.ARRIVE)
        one.entries.append((one.generation, entry))
        self._order.append((self._series.index(one) + 1, entry.stored.path))
        return Recorded(self._series.index(one) + 1, one.generation, new=True, conflict=bool(known))

    def record_all(self, entries: Sequence[Entry], segments: Mapping[str, int]) -> Sequence[Recorded]:
        """One after the other."""
        self._segments |= segments
        return [self.record(entry) for entry in entries]

    def indexed(self) -> Mapping[str, int]:
        """How far each segment is indexed."""
        return dict(self._segments)

    def forget_segments(self, names: Iterable[str]) -> None:
        """Segments that are no more."""
        for name in names:
            self._segments.pop(name, None)

    def known_instances(self, site: str, sop_instance_uids: Sequence[str]) -> Sequence[Known]:
        """What is there under these UIDs."""
        return [
            Known(uid, old.header.sop_class_uid, old.stored.digest, old.stored.path, *place, conflict=n > 0)
            for uid in sop_instance_uids
            for n, (*place, old) in enumerate(self._under(site, uid))
        ]

    def _under(self, site: str, sop_instance_uid: str) -> Sequence[tuple[int, int, Entry]]:
        return [
            (series_id, generation, old)
            for series_id, one in enumerate(self._series, 1)
            for generation, old in one.entries
            if (old.source.site, old.header.sop_instance_uid) == (site, sop_instance_uid)
        ]

    def open_series(self) -> Sequence[OpenSeries]:
        """Series that are being received."""
        return [
            OpenSeries(series_id=i, generation=one.generation, last_path=one.entries[-1][1].stored.path)
            for i, one in enumerate(self._series, 1)
            if one.state is State.RECEIVING
        ]

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """Headers of a series."""
        return tuple(entry.header for _, entry in self._series[series_id - 1].entries)

    def held(self, series_id: int) -> int:
        """How many of them."""
        return len({header.sop_instance_uid for header in self.headers(series_id)})

    def close(
        self, series_id: int, generation: int, now_utc: datetime, candidate: Candidate | None = None
    ) -> bool:
        """Close a generation and note its job."""
        one = self._series[series_id - 1]
        one.candidate = candidate
        if (one.state, one.generation) != (State.RECEIVING, generation):
            return False
        one.state, one.closed_utc = advance(one.state, Event.CLOSE), now_utc
        one.progress = "", *one.progress[1:]
        follower = one.analyser if one.analyser in self._living else ""
        self.queue.append(Job(series_id, generation, one.urgency, follower, one.model_title))
        return True

    def known_paths(self) -> frozenset[str]:
        """Spool paths of all instances."""
        return frozenset(entry.stored.path for one in self._series for _, entry in one.entries)

    def claim(self, series_id: int, generation: int) -> Work | None:
        """Begin."""
        one = self._series[series_id - 1]
        if one.generation != generation or one.state not in {State.QUEUED, State.ANALYSING}:
            return None
        one.state = advance(one.state, Event.CLAIM)
        return Work(
            series_id=series_id,
            generation=generation,
            key=one.key,
            study_uid=one.study_uid,
            closed_utc=one.closed_utc,
            urgency=one.urgency,
            paths=tuple(entry.stored.path for g, entry in one.entries if g <= generation),
            called_ae=one.entries[0][1].source.called_ae,
            model_title=one.model_title,
            predecessor=self._predecessor(series_id, generation),
        )

    def _predecessor(self, series_id: int, generation: int) -> Predecessor | None:
        earlier = [one for one in self._reports.get(series_id, ()) if one.generation < generation]
        return max(earlier, key=lambda one: one.generation, default=None)

    def commit(
        self,
        work: Work,
        analysis: Analysis,
        objects: Sequence[KeptObject],
        destinations: Sequence[str],
        flag: Flag | None = None,
    ) -> bool:
        """Keep the first analysis."""
        self.flags[work.series_id, work.generation] = flag
        made_by = analysis.provenance
        key = (work.series_id, work.generation, made_by.model_digest, made_by.configuration_digest)
        one = self._series[work.series_id - 1]
        here = one.generation == work.generation
        if (here and one.state not in {State.QUEUED, State.ANALYSING}) or key in self._analyses:
            return False
        self._analyses[key] = analysis
        for kept in (kept for kept in objects if kept.kind == "sr"):
            self._reports.setdefault(work.series_id, []).append(_report(work, analysis, kept))
        for kept in (kept for kept in objects if kept.deliver):
            for destination in (name for name in destinations if name not in kept.unwanted_by):
                self._sent.append(self._to_send(work, analysis, kept, destination))
        if here:
            refused = analysis.outcome is Outcome.NOT_ANALYSED
            one.state = advance(one.state, Event.REFUSE if refused else Event.FINISH)
            one.progress = "", *one.progress[1:]
        return True

    def park(self, series_id: int, generation: int, reason_code: str) -> None:
        """Give up."""
        one = self._series[series_id - 1]
        if one.generation == generation and one.state in {State.QUEUED, State.ANALYSING}:
            one.state = advance(one.state, Event.PARK)
            one.progress = "", *one.progress[1:]

    def take(self, destination: str, holder: str, lease_s: float) -> Delivery | None:
        """What is longest due, for one holder."""
        with self._lock:
            mine = [s for s in self._sent if s.delivery.destination == destination]
            due = [s for s in mine if self._is_due(s) and not self._held_up(s)]
            if not due:
                return None
            first = min(due, key=lambda s: (s.next_try_s, s.delivery.delivery_id))
            first.holder, first.next_try_s = holder, self._journal_s() + lease_s
            return self._aged(first)

    def topics(self, delivery: Delivery) -> Sequence[Topic]:
        """What a delivery is about: the HL7 result of a series."""
        if not is_replaced(delivery.kind):
            return []
        standing = [
            s for s in self._sent if s.state == "pending" or (s.state == "done" and not s.delivery.last_error)
        ]
        newer = any(_is_newer(s.delivery, delivery) for s in standing)
        return [Topic(delivery.site, delivery.series_uid, newer)]

    def let_go(self, holder: str) -> None:
        """What a holder had in hand is due."""
        for sent in self._sent:
            if sent.state == "pending" and sent.holder == holder:
                sent.holder, sent.next_try_s = "", self._journal_s()

    def delivered(self, delivery: Delivery) -> None:
        """It is there."""
        self._end(delivery, "done", "")

    def replaced(self, delivery: Delivery) -> None:
        """A newer one took its place."""
        self._end(delivery, "done", "replaced")

    def give_up(self, delivery: Delivery, why: str) -> None:
        """It is a dead letter."""
        self._end(delivery, "dead", why)

    def postpone(self, delivery: Delivery, later: Later) -> None:
        """Something is left to be done."""
        sent = self._sent[delivery.delivery_id - 1]
        if sent.state == "pending":
            now_s = self._journal_s()
            sent.holder, sent.next_try_s = "", now_s + later.wait_s
            sent.sent_s = (now_s if sent.sent_s is None else sent.sent_s) if later.sent else None
            attempts = delivery.attempts + later.counted
            sent.delivery = replace(sent.delivery, attempts=attempts, last_error=later.why)

    def dead_letters(self, selection: Selection) -> Sequence[Delivery]:
        """What was given up, or is elsewhere among deliveries."""
        return [self._aged(s) for s in self._chosen(selection)]

    def replay(self, selection: Selection) -> int:
        """Have it tried again."""
        chosen = self._chosen(selection)
        for sent in chosen:
            sent.state, sent.sent_s = "pending", None
            sent.created_s = sent.next_try_s = self._journal_s()
            sent.delivery = replace(sent.delivery, attempts=0)
        return len(chosen)

    def dismiss(self, selection: Selection, said: Dismissal, count: int) -> None:
        """It need not be delivered any more."""
        chosen = self._chosen(selection)
        if len(chosen) != count:
            raise StoreError(f"there are {len(chosen)} deliveries now, not {count}: look again")
        for sent in chosen:
            sent.state, sent.holder = "dismissed", ""
            why = f"{said}; before: {sent.delivery.last_error}"
            sent.delivery = replace(sent.delivery, last_error=why)

    def backlog(self) -> Mapping[str, tuple[int, float, int]]:
        """What waits."""
        found: dict[str, tuple[int, float, int]] = {}
        for sent in (s for s in self._sent if s.state in {"pending", "dead"}):
            waiting, oldest_s, dead = found.get(sent.delivery.destination, (0, 0.0, 0))
            if sent.state == "dead":
                dead += 1
            else:
                waiting, oldest_s = waiting + 1, max(oldest_s, self._journal_s() - sent.created_s)
            found[sent.delivery.destination] = waiting, oldest_s, dead
        return found

    def pass_time(self, seconds: float) -> None:
        """The journal's clock goes on."""
        self._passed_s += seconds

    def _journal_s(self) -> float:
        return self._passed_s + (self.clock.now_s if self.clock else 0.0)

    def _chosen(self, selection: Selection) -> list[_Sent]:
        waits = selection.among is Among.WAITING
        state = "pending" if waits else selection.among.name.lower()
        those = [s for s in self._sent if s.state == state and _matches(s.delivery, selection)]
        return [s for s in those if not waits or not s.holder or self._is_due(s)]

    def _is_due(self, sent: _Sent) -> bool:
        return sent.state == "pending" and sent.next_try_s <= self._journal_s()

    def _held_up(self, sent: _Sent) -> bool:
        older = [s for s in self._sent if s.state == "pending" and _is_newer(sent.delivery, s.delivery)]
        return any(s.holder or self._is_due(s) for s in older)

    def _aged(self, sent: _Sent) -> Delivery:
        since_s = sent.created_s if sent.sent_s is None else sent.sent_s
        sent_utc = None if sent.sent_s is None else START_UTC + timedelta(seconds=sent.sent_s)
        return replace(sent.delivery, sent_utc=sent_utc, age_s=self._journal_s() - since_s)

    def _end(self, delivery: Delivery, state: str, why: str) -> None:
        sent = self._sent[delivery.delivery_id - 1]
        if sent.state == "pending":
            sent.state, sent.holder = state, ""
            sent.delivery = replace(sent.delivery, attempts=delivery.attempts + 1, last_error=why)

    def _to_send(self, work: Work, analysis: Analysis, kept: KeptObject, destination: str) -> _Sent:
        delivery = Delivery(
            delivery_id=len(self._sent) + 1,
            destination=destination,
            kind=kept.kind,
            path=kept.path,
            sop_instance_uid=kept.sop_instance_uid,
            site=work.key.site,
            study_uid=work.study_uid,
            series_uid=work.key.series_uid,
            generation=work.generation,
            created_utc=analysis.created_utc,
            attempts=0,
            level=analysis.triage.level,
        )
        return _Sent(delivery=delivery, next_try_s=self._journal_s(), created_s=self._journal_s())


def _matches(delivery: Delivery, selection: Selection) -> bool:
    pairs = (
        (delivery.destination, selection.destination),
        (delivery.study_uid, selection.study_uid),
        (delivery.series_uid, selection.series_uid),
    )
    return all(wanted in {"", value} for value, wanted in pairs)
