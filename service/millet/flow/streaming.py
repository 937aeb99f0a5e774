"""Series that are arriving, worked on while they do.

The analyser of a series follows the journal: as soon as an instance is acknowledged, it is read from the
spool, wherever the receiver runs, and put in its place (`flow.ahead`). Nothing of this is durable and
nothing depends on it: what is not done ahead is done when the series is complete. So a series for which
there is no memory just waits in the spool.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from millet.codec import decoders
from millet.codec.decoders import Decode
from millet.core.nodule import Candidate
from millet.core.turns import BEHIND, EMERGENCY
from millet.flow.ahead import Ahead, Haste, Reader
from millet.flow.batcher import Batcher
from millet.flow.progress import ARRIVING, Reached
from millet.ports import ArrivalLog, Arrived, Clock, Spool, Work

MOST_DECODERS = 4
SLICE_BYTES = 1_300_000
"""What a slice that is not read yet comes to, with its planes: 0.5 GB for a series of 400."""
FORGOTTEN_S = 1800.0
"""A series that was silent for so long and that nobody claimed here was analysed elsewhere, or will be: its
memory is for others."""

Faulty = Callable[[Exception], None]
"""Told when an instance could not be read ahead; it is read again when the series is complete."""


class Station(NamedTuple):
    """A device: its queue, and the readers whose detectors run on it."""

    batcher: Batcher
    readers: Mapping[str, tuple[Reader, ...]]
    """By the called title that names their model, see `core.doors`; the same titles on every device."""


@dataclass(slots=True, eq=False)
class _InHand:
    """A series that is worked on, and its instances that are being read."""

    ahead: Ahead
    since_s: float
    """When something of it came last."""
    reading: list[Future[None]] = field(default_factory=list)
    shown: int = 0
    """Windows that were looked at when it was told what was found."""


@dataclass(kw_only=True, eq=False)
class Streaming:
    """What is done ahead on this machine, by series. Thread-safe."""

    name: str
    """Of this analyser, as the journal knows it."""
    log: ArrivalLog
    spool: Spool
    stations: Sequence[Station]
    """One for each device; a series stays on the one it was begun on."""
    clock: Clock
    """By which other analysers are dead, and series forgotten."""
    most_bytes: int
    """Memory of all series that arrive or wait; one for which there is none waits in the spool."""
    faulty: Faulty
    told: Callable[[int, Reached], None] = lambda _series_id, _reached: None
    """Told how far a series that arrives has come."""
    found: Callable[[int, Sequence[Candidate]], None] = lambda _series_id, _found: None
    """Told what was found in a series so far; of one that has ended, nothing."""
    decode: Decode = decoders.decode
    """Who decodes compressed slices."""
    _arriving: dict[int, _InHand] = field(default_factory=dict, init=False)
    _claimed: dict[tuple[int, int], _InHand] = field(default_factory=dict, init=False)
    """By series and generation: what arrives from now on belongs to the next one."""
    _last: int = field(default=0, init=False)
    _numbers: Iterator[int] = field(default_factory=count, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(min(MOST_DECODERS, os.cpu_count() or 1), "decode")

    def step(self) -> None:
        """Look at what has been read since the last step, and have read what has arrived since."""
        self._forget()
        with self._lock:
            arriving = list(self._arriving.items())
        for series_id, one in arriving:
            if self._has_read(one):
                one.ahead.advance()
            self.told(series_id, Reached(ARRIVING, *one.ahead.windows))
        room_bytes = self.most_bytes - self.coming_bytes
        for arrived in self.log.arrived(self.name, self._last, self.stations[0].readers.keys()):
            self._last = max(self._last, arrived.instance_id)
            with self._lock:
                taken = self._follow(arrived, has_room=self._has_room(arrived, full=room_bytes <= 0))
            room_bytes -= SLICE_BYTES * taken

    def show(self) -> None:
        """Tell what was found in each series so far, where windows were looked at since."""
        with self._lock:
            held = {series_id: one for (series_id, _), one in self._claimed.items()} | self._arriving
        for series_id, one in held.items():
            if (looked := one.ahead.windows[0]) != one.shown:
                one.shown = looked
                self.found(series_id, one.ahead.found)
                if not self._holds(one):
                    self.found(series_id, ())

    def complete(self, work: Work) -> Ahead:
        """Everything of a generation that is complete, read, and nothing else."""
        one = self._claim(work)
        self._wait(one)
        if not one.ahead.shelf.holds_only(work.paths):
            one = self._anew(work)
        with self._lock:
            self._read(one, [path for path in work.paths if path not in one.ahead.shelf])
        for failure in self._wait(one):
            raise failure
        return one.ahead

    def apart(self, model_title: str) -> Ahead:
        """Work on a series of nobody's worklist, behind all others; whoever asked closes it."""
        station = min(self.stations, key=lambda each: each.batcher.waiting)
        known_by, haste = ("apart", next(self._numbers)), Haste(urgency=BEHIND)
        return Ahead(known_by, station.readers[model_title], station.batcher, haste, decode=self.decode)

    def let_go(self, series_id: int, generation: int) -> None:
        """A generation has ended, or is somebody else's."""
        with self._lock:
            one = self._claimed.pop((series_id, generation), None)
        if one:
            one.ahead.close()
            self.found(series_id, ())

    def stop(self) -> None:
        """Begin nothing more and let go of all."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            left = [*self._arriving.values(), *self._claimed.values()]
            self._arriving.clear()
            self._claimed.clear()
        for one in left:
            one.ahead.close()

    @property
    def held_bytes(self) -> int:
        """Memory of all that is done ahead."""
        return sum(one.ahead.held_bytes for one in [*self._arriving.values(), *self._claimed.values()])

    @property
    def coming_bytes(self) -> int:
        """Memory that all of it comes to when what was begun is done."""
        with self._lock:
            held = [*self._arriving.values(), *self._claimed.values()]
        return sum(one.ahead.coming_bytes + SLICE_BYTES * len(one.reading) for one in held)

    def _holds(self, one: _InHand) -> bool:
        with self._lock:
            return any(one is each for each in (*self._arriving.values(), *self._claimed.values()))

    def _forget(self) -> None:
        silent_since_s = self.clock.monotonic_s() - FORGOTTEN_S
        with self._lock:
            gone = [series_id for series_id, one in self._arriving.items() if one.since_s < silent_since_s]
            left = [self._arriving.pop(series_id) for series_id in gone]
        for one in left:
            one.ahead.close()

    def _follow(self, arrived: Arrived, *, has_room: bool) -> bool:
        """Have an instance read, if there is room for it; the lock is held."""
        one = self._arriving.get(arrived.series_id)
        if one:
            one.since_s = self.clock.monotonic_s()
        if has_room:
            one = one or self._made(arrived)
            self._read(self._arriving.setdefault(arrived.series_id, one), [arrived.path])
        return has_room

    def _has_room(self, arrived: Arrived, *, full: bool) -> bool:
        """Whether another slice may be taken; else it is read when its series is complete.

        The series that began first always goes on, so that one at least is ready when its last slice is.
        """
        first = next(iter(self._arriving), arrived.series_id)
        return arrived.urgency >= EMERGENCY or arrived.series_id == first or not full

    def _claim(self, work: Work) -> _InHand:
        """What was done for a generation; from now on nothing that arrives is added to it."""
        which = work.series_id, work.generation
        with self._lock:
            known = self._claimed.get(which) or self._arriving.pop(work.series_id, None)
            one = self._claimed[which] = known or self._made(work)
            return one

    def _anew(self, work: Work) -> _InHand:
        """Nothing done yet: a slice of the next generation was taken for one of this."""
        with self._lock:
            before = self._claimed[work.series_id, work.generation]
            one = self._claimed[work.series_id, work.generation] = self._made(work)
        before.ahead.close()
        return one

    def _made(self, of: Arrived | Work) -> _InHand:
        station = min(self.stations, key=lambda each: each.batcher.waiting)
        known_by, readers = (of.series_id, next(self._numbers)), station.readers[of.model_title]
        ahead = Ahead(known_by, readers, station.batcher, Haste(urgency=of.urgency), decode=self.decode)
        return _InHand(ahead, self.clock.monotonic_s())

    def _read(self, one: _InHand, paths: Sequence[str]) -> None:
        """Have instances read; the lock is held."""
        one.reading.extend(self._pool.submit(self._take, one.ahead, path) for path in paths)

    def _take(self, ahead: Ahead, path: str) -> None:
        ahead.take(path, self.spool.read(path))

    def _wait(self, one: _InHand) -> Sequence[BaseException]:
        """Until what is being read is read; what failed."""
        with self._lock:
            reading, one.reading = one.reading, []
        wait(reading)
        return [failure for each in reading if not each.cancelled() and (failure := each.exception())]

    def _has_read(self, one: _InHand) -> bool:
        """Whether anything has been read since this was asked last."""
        with self._lock:
            ended = [each for each in one.reading if each.done()]
            one.reading = [each for each in one.reading if not each.done()]
        for failure in (each.exception() for each in ended if not each.cancelled()):
            if isinstance(failure, Exception):
                self.faulty(failure)
        return bool(ended)
