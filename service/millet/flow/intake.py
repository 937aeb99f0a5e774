"""Instances that are durable are journalled. Then: is their series complete?

Everything that must survive lies in the spool and the journal; what is kept here (headers of open series,
which associations carried them, when) is rebuilt from the journal at start, with the waits beginning anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from millet.core.assembler import Arrival, ClosedBy, planes
from millet.core.best import Candidate, candidate
from millet.core.habits import Rhythm
from millet.core.makes import kernel_of, make_of
from millet.core.series import SliceHeader
from millet.core.stack import FEWEST_SLICES
from millet.core.trace import trace_of
from millet.errors import StoreError
from millet.flow.completion import Coming, Completion
from millet.flow.indexer import Indexer, Judged
from millet.ports import Clock, Entry, InstanceLog, Policy, Recorded, Sender, Spool

LOOK_EVERY_S = 30.0
"""How often is looked for open series whose receiver is gone."""

Fact = str | int | float
Tell = Callable[[str, Mapping[str, Fact]], None]
"""Told what happened: "instance" {result: new, repeated or conflict}, "reopened" {series_id, generation} and
"closed" {series_id, generation, trace, associations, site, closed_by, waited_s, scanner, kernel}. No patient
data."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A series that is being received."""

    generation: int
    sender: Sender | None
    headers: dict[str, SliceHeader]
    """By SOP Instance UID."""
    last_instance_s: float
    associations: set[int] = field(default_factory=set)
    """Still open."""
    carriers: set[int] = field(default_factory=set)
    """All that carried an instance of it."""
    released_s: float | None = None

    rhythm: Rhythm = field(default_factory=Rhythm)
    received_utc: datetime | None = None
    """When the newest instance was received, which was some time before it was journalled."""

    def coming(self, series_id: int) -> Coming:
        headers = tuple(self.headers.values())
        arrival = Arrival(
            may_return=len(self.carriers) != 1 or planes(headers) < FEWEST_SLICES,
            headers=headers,
            last_instance_s=self.last_instance_s,
            open_associations=len(self.associations),
            released_s=self.released_s,
        )
        return Coming(
            series_id=series_id,
            sender=self.sender,
            arrival=arrival,
            rhythm=self.rhythm,
            carriers=frozenset(self.carriers),
        )

    def beat(self, received_utc: datetime, association: int | None) -> None:
        """An instance more: how long after the one before, and whether its sender came back with it."""
        gap_s = (received_utc - (self.received_utc or received_utc)).total_seconds()
        another = association is not None and bool(self.carriers) and association not in self.carriers
        self.rhythm = self.rhythm.after(max(gap_s, 0.0), came_back=another and not self.associations)
        self.received_utc = received_utc


class Intake:
    """From instance to "generation N of this series is to be analysed". One thread calls `step`."""

    def __init__(
        self,
        spool: Spool,
        log: InstanceLog,
        completion: Completion,
        clock: Clock,
        tell: Tell,
        judged: Judged = lambda _source: Policy(),
    ) -> None:
        self._spool = spool
        self._log = log
        self._completion = completion
        self._clock = clock
        self._tell = tell
        self._indexer = Indexer(spool, log, judged, self._note)
        self._open: dict[int, _Open] = {}
        self._missed = True
        """Whether the journal may hold an open series that is not known here."""
        self._looked_s = clock.monotonic_s()
        self._live: set[int] = set()
        """Associations that are open, as far as this thread knows."""
        self._over: dict[int, float] = {}
        """Those that ended, and when, until all that they brought is journalled."""
        self._told: deque[tuple[int, float | None]] = deque()
        """Associations that began since, and those that ended, with the time."""

    def association_began(self, association: int) -> None:
        """An association may bring instances. From any thread."""
        self._told.append((association, None))

    def association_ended(self, association: int) -> None:
        """An association was released, aborted or lost. From any thread."""
        self._told.append((association, self._clock.monotonic_s()))

    def step(self) -> None:
        """Journal what is durable and close what is complete by now.

        The first failure is raised after all series were tried.
        """
        self._hear()
        self._index()
        self._release()
        now_s = self._clock.monotonic_s()
        if self._missed or now_s - self._looked_s >= LOOK_EVERY_S:
            self._take_up()
        all_open = [(one, one.coming(series_id)) for series_id, one in self._open.items()]
        failures: list[Exception] = []
        for one, coming in all_open:
            try:
                if by := self._completion.judge(coming, now_s):
                    self._close(one, coming, by)
            except Exception as failure:  # noqa: BLE001 - one bad series must not hold up the others
                failures.append(failure)
        if failures:
            raise failures[0]

    def _hear(self) -> None:
        """Which associations began and ended; what ended ones brought is durable, and read by `_index`."""
        while self._told:
            association, ended_s = self._told.popleft()
            if ended_s is None:
                self._live.add(association)
            else:
                self._over[association] = ended_s

    def _index(self) -> None:
        try:
            self._indexer.step()
        except StoreError:
            self._missed = True
            raise

    def _release(self) -> None:
        self._live -= self._over.keys()
        for one in self._open.values():
            if over := one.associations & self._over.keys():
                one.associations -= over
                one.released_s = max(self._over[association] for association in over)
        self._over.clear()

    def _take_up(self) -> None:
        """Have what is open in the journal open here, waits begun anew; not what another receiver has."""
        now_s = self._clock.monotonic_s()
        for one in self._log.open_series():
            if one.series_id in self._open or self._spool.is_anothers(one.last_path):
                continue
            self._open[one.series_id] = _Open(
                generation=one.generation,
                sender=None,
                headers=_by_uid(self._log.headers(one.series_id)),
                last_instance_s=now_s,
                released_s=now_s,
            )
        self._missed, self._looked_s = False, now_s

    def _close(self, one: _Open, coming: Coming, by: ClosedBy) -> None:
        series_id = coming.series_id
        if self._log.held(series_id) > len(one.headers):  # another receiver has brought some
            one.headers = _by_uid(self._log.headers(series_id))
            one.last_instance_s = self._clock.monotonic_s()
            return
        ranked_by = _candidate(coming.arrival.headers)
        is_ours = self._log.close(series_id, one.generation, self._clock.utc(), ranked_by)
        del self._open[series_id]
        self._completion.ended(coming, by)
        if is_ours:
            self._tell("closed", self._closing(one, coming, by))

    def _closing(self, one: _Open, coming: Coming, by: ClosedBy) -> Mapping[str, Fact]:
        """What is told of a series that is complete: how long that took, and what made it."""
        first = next(iter(coming.arrival.headers), None)
        return {
            "series_id": coming.series_id,
            "generation": one.generation,
            "trace": trace_of(one.sender.site, first.series_uid, one.generation)
            if first and one.sender
            else "",
            "associations": " ".join(map(str, sorted(one.carriers))),
            "site": one.sender.site if one.sender else "",
            "closed_by": by.value,
            "waited_s": round(self._clock.monotonic_s() - one.last_instance_s, 3),
            "scanner": make_of(first.manufacturer if first else "").value,
            "kernel": kernel_of(first.kernel if first else "").value,
        }

    def _note(self, entry: Entry, recorded: Recorded, association: int | None) -> None:
        """An instance was journalled; `association` is None when it came to another process."""
        self._tell("instance", {"result": _result(recorded)})
        one = self._open.get(recorded.series_id)
        if one is None:
            if not recorded.new:
                return
            one = self._opened(recorded, entry, association)
            if recorded.generation > 1:
                self._tell("reopened", {"series_id": recorded.series_id, "generation": recorded.generation})
        now_s = self._clock.monotonic_s()
        if recorded.new:
            one.headers[entry.header.sop_instance_uid] = entry.header
            if _sender(entry) == one.sender:  # what is pulled from an archive is nobody's habit
                one.beat(entry.received_utc, association)
        one.generation = max(one.generation, recorded.generation)
        one.last_instance_s = now_s
        if association is not None:
            one.carriers.add(association)
        if association in self._live:
            one.associations.add(association)
        else:
            one.released_s = now_s

    def _opened(self, recorded: Recorded, entry: Entry, association: int | None) -> _Open:
        """A series that is new here, with what the journal has of it."""
        headers: dict[str, SliceHeader] = {}
        try:
            headers = _by_uid(self._log.headers(recorded.series_id))
        except StoreError:
            self._missed = True
        now_s = self._clock.monotonic_s()
        sender = _sender(entry)
        self._completion.came_late(recorded.series_id, sender, association, now_s)
        fresh = _Open(
            generation=recorded.generation,
            sender=sender,
            headers=headers,
            last_instance_s=now_s,
        )
        self._open[recorded.series_id] = fresh
        return fresh


def _sender(entry: Entry) -> Sender:
    return Sender(entry.source.site, entry.source.calling_ae)


def _candidate(headers: Sequence[SliceHeader]) -> Candidate | None:
    """What it is compared by with the others of its study."""
    return candidate(headers[0].series_uid, headers) if headers else None


def _by_uid(headers: Sequence[SliceHeader]) -> dict[str, SliceHeader]:
    return {header.sop_instance_uid: header for header in headers}


def _result(recorded: Recorded) -> str:
    if not recorded.new:
        return "repeated"
    return "conflict" if recorded.conflict else "new"
