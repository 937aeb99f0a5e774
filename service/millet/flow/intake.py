"""An instance arrives: durable, journalled, acknowledged. Then: is its series complete?

Everything that must survive lies in the journal; what is kept here (headers of open series, which
associations carried them, when) is rebuilt from it at start, with the waits beginning anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from millet.codec import ct
from millet.core.assembler import Arrival, ClosedBy, planes
from millet.core.best import Candidate, candidate
from millet.core.habits import Rhythm
from millet.core.series import SliceHeader
from millet.core.stack import FEWEST_SLICES
from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import RefusedInstance, StoreError, UnfitSeries
from millet.flow.completion import Coming, Completion
from millet.ports import Clock, Entry, InstanceLog, Received, Recorded, Sender, Site, Spool

DOES_NOT_MATCH = 0xA900
"""DIMSE "Data Set does not match SOP Class" (PS3.4 B.2.3)."""
CANNOT_UNDERSTAND = 0xC000
Tell = Callable[[str, Mapping[str, str | int]], None]
"""Told what happened: "instance" {result: new, repeated or conflict}, "adopted" {result} and
"closed" {series_id, generation, closed_by}. No patient data."""


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


class Intake:
    """From instance to "generation N of this series is to be analysed". Thread-safe."""

    def __init__(
        self,
        spool: Spool,
        log: InstanceLog,
        completion: Completion,
        clock: Clock,
        tell: Tell,
        emergency_peers: Collection[str] = (),
    ) -> None:
        self._spool = spool
        self._log = log
        self._completion = completion
        self._clock = clock
        self._tell = tell
        self._emergency_peers = emergency_peers
        self._open: dict[int, _Open] = {}
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
        self._note(recorded, header, association, received.source)
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
                sender=None,
                headers=headers,
                last_instance_s=now_s,
                released_s=now_s,
            )
            with self._lock:
                self._open.setdefault(one.series_id, fresh)

    def _close(self, one: _Open, coming: Coming, by: ClosedBy) -> None:
        """Forget first: an instance that comes meanwhile opens the series again, here as in the journal."""
        series_id = coming.series_id
        with self._lock:
            self._open.pop(series_id, None)
        try:
            is_ours = self._log.close(series_id, one.generation, self._clock.utc(), _candidate(one))
        except BaseException:
            with self._lock:
                self._open.setdefault(series_id, one)
            raise
        self._completion.ended(coming, by)
        if is_ours:
            facts = {"series_id": series_id, "generation": one.generation, "closed_by": by.value}
            self._tell("closed", facts)

    def _keep(self, header: SliceHeader, encoded: bytes, source: Site) -> Recorded:
        stored = self._spool.write(encoded)
        urgency = EMERGENCY if source.calling_ae in self._emergency_peers else ROUTINE
        entry = Entry(
            source=source, header=header, stored=stored, received_utc=self._clock.utc(), urgency=urgency
        )
        return self._log.record(entry)

    def _note(
        self, recorded: Recorded, header: SliceHeader, association: int | None, source: Site | None = None
    ) -> None:
        one = self._open.get(recorded.series_id)
        if one is None:
            if not recorded.new:
                return
            one = self._opened(recorded, association, source)
        now_s = self._clock.monotonic_s()
        with self._lock:
            one = self._open.setdefault(recorded.series_id, one)  # a step may have forgotten it meanwhile
            if recorded.new:
                one.headers[header.sop_instance_uid] = header
                came_back = not one.associations and one.released_s is not None
                one.rhythm = one.rhythm.after(now_s - one.last_instance_s, came_back=came_back)
            one.generation = max(one.generation, recorded.generation)
            one.last_instance_s = now_s
            if association is None:
                one.released_s = now_s
            else:
                one.associations.add(association)
                one.carriers.add(association)

    def _opened(self, recorded: Recorded, association: int | None, source: Site | None) -> _Open:
        """A series that is new here, with what the journal has of it; another thread may be first."""
        try:
            headers = _by_uid(self._log.headers(recorded.series_id))
        except StoreError:
            self._missed = True
            raise
        now_s = self._clock.monotonic_s()
        fresh = _Open(
            generation=recorded.generation,
            sender=Sender(source.site, source.calling_ae) if source else None,
            headers=headers,
            last_instance_s=now_s,
        )
        if source:
            self._completion.came_late(recorded.series_id, association, now_s)
        with self._lock:
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
