"""Series that are arriving, worked on while they do.

The analyser of a series follows the journal: as soon as an instance is acknowledged, it is read from the
spool, wherever the receiver runs, and put in its place (`flow.ahead`). Nothing of this is durable and
nothing depends on it: what is not done ahead is done when the series is complete. So a series for which
there is no memory just waits in the spool.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import NamedTuple

from millet.core.turns import EMERGENCY
from millet.flow.ahead import Ahead, Haste, Reader
from millet.flow.batcher import Batcher
from millet.flow.progress import ARRIVING, Reached
from millet.ports import ArrivalLog, Arrived, Clock, Spool, Work

MOST_DECODERS = 4

Faulty = Callable[[Exception], None]
"""Told when an instance could not be read ahead; it is read again when the series is complete."""


class Station(NamedTuple):
    """A device: its queue, and the readers whose detectors run on it."""

    batcher: Batcher
    readers: tuple[Reader, ...]


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
    """By which other analysers are dead."""
    most_bytes: int
    """Memory of all series that arrive or wait; one for which there is none is not begun."""
    faulty: Faulty
    told: Callable[[int, Reached], None] = lambda _series_id, _reached: None
    """Told how far a series that arrives has come."""
    _aheads: dict[int, Ahead] = field(default_factory=dict, init=False)
    _reading: dict[int, list[Future[None]]] = field(default_factory=dict, init=False)
    _last: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(min(MOST_DECODERS, os.cpu_count() or 1), "decode")

    def step(self) -> None:
        """Look at what has been read since the last step, and have read what has arrived since."""
        with self._lock:
            aheads = [(series_id, ahead) for series_id, ahead in self._aheads.items()]
        for series_id, ahead in aheads:
            if self._has_read(series_id):
                ahead.advance()
            if not ahead.is_complete:
                self.told(series_id, Reached(ARRIVING, *ahead.windows))
        for one in self.log.arrived(self.name, self._last, self.clock.utc()):
            self._last = max(self._last, one.instance_id)
            if begun := self._begun(one):
                self._read(one.series_id, begun, [one.path])

    def complete(self, work: Work) -> Ahead:
        """Everything of a series that is complete, read."""
        with self._lock:
            ahead = self._aheads.get(work.series_id) or self._made(work.series_id, work.urgency)
        self._wait(work.series_id)
        self._read(work.series_id, ahead, [path for path in work.paths if path not in ahead.shelf])
        for failure in self._wait(work.series_id):
            raise failure
        return ahead

    def let_go(self, series_id: int) -> None:
        """A series has ended, or is somebody else's."""
        with self._lock:
            ahead = self._aheads.pop(series_id, None)
        if ahead:
            ahead.close()

    def stop(self) -> None:
        """Begin nothing more and let go of all."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for series_id in list(self._aheads):
            self.let_go(series_id)

    @property
    def held_bytes(self) -> int:
        """Memory of all that is done ahead."""
        return sum(ahead.held_bytes for ahead in list(self._aheads.values()))

    def _begun(self, one: Arrived) -> Ahead | None:
        with self._lock:
            if known := self._aheads.get(one.series_id):
                return known
            if self.held_bytes >= self.most_bytes and one.urgency < EMERGENCY:
                return None
            return self._made(one.series_id, one.urgency)

    def _made(self, series_id: int, urgency: int) -> Ahead:
        station = min(self.stations, key=lambda each: each.batcher.waiting)
        ahead = Ahead(series_id, station.readers, station.batcher, Haste(urgency=urgency))
        self._aheads[series_id] = ahead
        return ahead

    def _read(self, series_id: int, ahead: Ahead, paths: Sequence[str]) -> None:
        begun = [self._pool.submit(self._take, ahead, path) for path in paths]
        with self._lock:
            self._reading.setdefault(series_id, []).extend(begun)

    def _take(self, ahead: Ahead, path: str) -> None:
        ahead.take(path, self.spool.read(path))

    def _wait(self, series_id: int) -> Sequence[BaseException]:
        """Until what is being read is read; what failed."""
        with self._lock:
            reading = self._reading.pop(series_id, [])
        wait(reading)
        return [failure for one in reading if not one.cancelled() and (failure := one.exception())]

    def _has_read(self, series_id: int) -> bool:
        """Whether anything has been read since this was asked last."""
        with self._lock:
            reading = self._reading.get(series_id, [])
            ended = [one for one in reading if one.done()]
            self._reading[series_id] = [one for one in reading if not one.done()]
        for failure in (one.exception() for one in ended if not one.cancelled()):
            if isinstance(failure, Exception):
                self.faulty(failure)
        return bool(ended)
