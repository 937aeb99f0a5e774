"""An instance arrives: durable, journalled, acknowledged. Then: is its series complete?

Everything that must survive lies in the journal; what is kept here (headers of open series, which
associations carried them, when) is rebuilt from it at start, with the waits beginning anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from millet.codec import ct
from millet.core.assembler import Arrival, ClosedBy, Waits, closed
from millet.core.best import Candidate, candidate
from millet.core.series import SliceHeader
from millet.core.stack import FEWEST_SLICES
from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import RefusedInstance, StoreError, UnfitSeries
from millet.ports import Clock, Entry, InstanceLog, Received, Recorded, Site, Spool

DOES_NOT_MATCH = 0xA900
"""DIMSE "Data Set does not match SOP Class" (PS3.4 B.2.3)."""
CANNOT_UNDERSTAND = 0xC000
REMEMBERED = 1000
"""Closed series that are remembered, to learn which senders come back with more of one."""

Tell = Callable[[str, Mapping[str, str | int]], None]
"""Told what happened: "instance" {result: new, repeated or conflict}, "adopted" {result} and
"closed" {series_id, generation, closed_by}. No patient data."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A series that is being received."""

    generation: int
    sender: str
    headers: dict[str, SliceHeader]
    """By SOP Instance UID."""
    last_instance_s: float
    associations: set[int] = field(default_factory=set)
    """Still open."""
    carriers: set[int] = field(default_factory=set)
    """All that carried an instance of it."""
    released_s: float | None = None

    def arrival(self, *, returns: bool) -> Arrival:
        one_piece = len(self.carriers) == 1 and len(self.headers) >= FEWEST_SLICES
        return Arrival(
            may_return=returns or not one_piece,
            headers=tuple(self.headers.values()),
            last_instance_s=self.last_instance_s,
            open_associations=len(self.associations),
            released_s=self.released_s,
        )


class Intake:
    """From instance to "generation N of this series is to be analysed". Thread-safe."""

    def __init__(
        self,
        spool: Spool,
        log: InstanceLog,
        waits: Waits,
        clock: Clock,
        tell: Tell,
        emergency_peers: Collection[str] = (),
    ) -> None:
        self._spool = spool
        self._log = log
        self._waits = waits
        self._clock = clock
        self._tell = tell
        self._emergency_peers = emergency_peers
        self._open: dict[int, _Open] = {}
        self._closed: OrderedDict[int, None] = OrderedDict()
        """Series that were closed lately."""
        self._returning: set[str] = set()
        """Senders that came back with more of a series that was taken for complete."""
        self._missed = False
        """Whether the journal may hold an open series that is not known here."""
        self._lock = threading.Lock()

    def resume(self, site: str) -> None:
        """After a start: take up open series, and adopt what was durable but not journalled yet."""
        self._take_up()
        for path in sorted(frozenset(self._spool.paths()) - self._log.known_paths()):
            self._adopt(path, Site(site, "", ""))

    def admit(self, received: Received, association: int) -> None:
        """Make an instance durable; success may be told when this returns.

        Raises:
            RefusedInstance: it is not taken, with the status that says why.
            StoreError: it could not be made durable.
        """
        header = _header(received)
        recorded = self._keep(header, received.encoded, received.source)
        self._note(recorded, header, association, received.source.calling_ae)
        self._tell("instance", {"result": _result(recorded)})

    def association_ended(self, association: int) -> None:
        """An association was released, aborted or lost."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            for one in self._open.values():
                if association in one.associations:
                    one.associations.discard(association)
                    one.released_s = now_s

    def step(self) -> None:
        """Close what is complete by now; the first failure is raised after all series were tried."""
        if self._missed:
            self._take_up()
        now_s = self._clock.monotonic_s()
        with self._lock:
            arrivals = {
                series_id: (one, one.arrival(returns=one.sender in self._returning))
                for series_id, one in self._open.items()
            }
        failures: list[Exception] = []
        for series_id, (one, arrival) in arrivals.items():
            try:
                if by := closed(arrival, now_s, self._waits):
                    self._close(series_id, one, by)
            except Exception as failure:  # noqa: BLE001 - one bad series must not hold up the others
                failures.append(failure)
        if failures:
            raise failures[0]

    def _take_up(self) -> None:
        """Have what is open in the journal open here, waits begun anew."""
        now_s, self._missed = self._clock.monotonic_s(), False
        try:
            found = self._log.open_series()
        except StoreError:
            self._missed = True
            raise
        for one in found:
            headers = _by_uid(one.headers)
            fresh = _Open(
                generation=one.generation,
                sender="",
                headers=headers,
                last_instance_s=now_s,
                released_s=now_s,
            )
            with self._lock:
                self._open.setdefault(one.series_id, fresh)

    def _close(self, series_id: int, one: _Open, by: ClosedBy) -> None:
        """Forget first: an instance that comes meanwhile opens the series again, here as in the journal."""
        with self._lock:
            self._open.pop(series_id, None)
        try:
            is_ours = self._log.close(series_id, one.generation, self._clock.utc(), _candidate(one))
        except BaseException:
            with self._lock:
                self._open.setdefault(series_id, one)
            raise
        self._remember(series_id)
        if is_ours:
            facts = {"series_id": series_id, "generation": one.generation, "closed_by": by.value}
            self._tell("closed", facts)

    def _remember(self, series_id: int) -> None:
        with self._lock:
            self._closed[series_id] = None
            if len(self._closed) > REMEMBERED:
                self._closed.popitem(last=False)

    def _keep(self, header: SliceHeader, encoded: bytes, source: Site) -> Recorded:
        stored = self._spool.write(encoded)
        urgency = EMERGENCY if source.calling_ae in self._emergency_peers else ROUTINE
        entry = Entry(
            source=source, header=header, stored=stored, received_utc=self._clock.utc(), urgency=urgency
        )
        return self._log.record(entry)

    def _note(
        self, recorded: Recorded, header: SliceHeader, association: int | None, sender: str = ""
    ) -> None:
        one = self._open.get(recorded.series_id)
        if one is None:
            if not recorded.new:
                return
            one = self._opened(recorded, sender)
        now_s = self._clock.monotonic_s()
        with self._lock:
            one = self._open.setdefault(recorded.series_id, one)  # a step may have forgotten it meanwhile
            if recorded.new:
                one.headers[header.sop_instance_uid] = header
            one.generation = max(one.generation, recorded.generation)
            one.last_instance_s = now_s
            if association is None:
                one.released_s = now_s
            else:
                one.associations.add(association)
                one.carriers.add(association)

    def _opened(self, recorded: Recorded, sender: str) -> _Open:
        """A series that is new here, with what the journal has of it; another thread may be first."""
        try:
            headers = _by_uid(self._log.headers(recorded.series_id))
        except StoreError:
            self._missed = True
            raise
        fresh = _Open(
            generation=recorded.generation,
            sender=sender,
            headers=headers,
            last_instance_s=self._clock.monotonic_s(),
        )
        with self._lock:
            if sender and recorded.series_id in self._closed:
                self._returning.add(sender)
            return self._open.setdefault(recorded.series_id, fresh)

    def _adopt(self, path: str, source: Site) -> None:
        """Durable, yet not journalled: the process ended in between, and nobody was told success."""
        encoded = self._spool.read(path)
        try:
            header = ct.read_header(encoded)
        except UnfitSeries:
            self._tell("adopted", {"result": "unreadable"})
            return
        recorded = self._keep(header, encoded, source)
        self._note(recorded, header, None)
        self._tell("adopted", {"result": _result(recorded)})


def _header(received: Received) -> SliceHeader:
    try:
        header = ct.read_header(received.encoded)
    except UnfitSeries as verdict:
        raise RefusedInstance(CANNOT_UNDERSTAND, str(verdict)) from verdict
    if not header.series_uid:
        raise RefusedInstance(CANNOT_UNDERSTAND, "no Series Instance UID")
    named = (header.sop_class_uid, header.sop_instance_uid)
    if named != (received.sop_class_uid, received.sop_instance_uid):
        raise RefusedInstance(DOES_NOT_MATCH, "the data set is not the instance that the request names")
    return header


def _candidate(one: _Open) -> Candidate | None:
    headers = tuple(one.headers.values())
    return candidate(headers[0].series_uid, headers) if headers else None


def _by_uid(headers: Sequence[SliceHeader]) -> dict[str, SliceHeader]:
    return {header.sop_instance_uid: header for header in headers}


def _result(recorded: Recorded) -> str:
    if not recorded.new:
        return "repeated"
    return "conflict" if recorded.conflict else "new"
