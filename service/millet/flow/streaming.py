"""Series that are arriving, worked on while they do.

The analyser of a series follows the journal: as soon as an instance is acknowledged, it is read from the
spool, wherever the receiver runs, and put in its place (`flow.ahead`). Nothing of this is durable and
nothing depends on it: what is not done ahead is done when the series is complete. So a series for which
there is no memory just waits in the spool.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from millet.core.turns import EMERGENCY
from millet.flow.ahead import Ahead, Haste, Reader
from millet.flow.batcher import Batcher
from millet.ports import ArrivalLog, Arrived, Spool, Work

MOST_DECODERS = 4

Faulty = Callable[[Exception], None]
"""Told when an instance could not be read ahead; it is read again when the series is complete."""


class Streaming:
    """What is done ahead on this machine, by series. Thread-safe."""

    def __init__(
        self,
        log: ArrivalLog,
        spool: Spool,
        readers: tuple[Reader, ...],
        batchers: Sequence[Batcher],
        *,
        most_bytes: int,
        faulty: Faulty,
    ) -> None:
        """Make one.

        Args:
            log: the journal.
            spool: where instances lie.
            readers: who looks.
            batchers: one for each device.
            most_bytes: memory of all series that arrive; a series for which there is none is not begun.
            faulty: see `Faulty`.
        """
        self._log, self._spool, self._readers, self._batchers = log, spool, readers, batchers
        self._most_bytes, self._faulty = most_bytes, faulty
        self._aheads: dict[int, Ahead] = {}
        self._reading: dict[int, list[Future[None]]] = {}
        self._last = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(min(MOST_DECODERS, os.cpu_count() or 1), "decode")

    def step(self) -> None:
        """Take what arrived since the last step, and begin what can be begun."""
        arrived = self._log.arrived(self._last)
        for one in arrived:
            self._last = max(self._last, one.instance_id)
            if ahead := self._begun(one):
                self._read(one.series_id, ahead, {one.path: one.path})
        for series_id in {one.series_id for one in arrived}:
            self._forget_done(series_id)

    def complete(self, work: Work) -> Ahead:
        """Everything of a series that is complete, read."""
        with self._lock:
            ahead = self._aheads.get(work.series_id) or self._made(work.series_id, work.urgency)
        self._wait(work.series_id)
        self._read(work.series_id, ahead, {path: path for path in work.paths if path not in ahead.shelf})
        self._wait(work.series_id)
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
            if self.held_bytes >= self._most_bytes and one.urgency < EMERGENCY:
                return None
            return self._made(one.series_id, one.urgency)

    def _made(self, series_id: int, urgency: int) -> Ahead:
        batcher = min(self._batchers, key=lambda each: each.waiting)
        ahead = Ahead(series_id, self._readers, batcher, Haste(urgency=urgency))
        self._aheads[series_id] = ahead
        return ahead

    def _read(self, series_id: int, ahead: Ahead, paths: Mapping[str, str]) -> None:
        begun = [self._pool.submit(self._take, ahead, path) for path in paths]
        with self._lock:
            self._reading.setdefault(series_id, []).extend(begun)

    def _take(self, ahead: Ahead, path: str) -> None:
        ahead.take(path, self._spool.read(path))
        ahead.advance()

    def _wait(self, series_id: int) -> None:
        """Until what is being read is read. Raises what reading raised."""
        with self._lock:
            reading = self._reading.pop(series_id, [])
        wait(reading)

    def _forget_done(self, series_id: int) -> None:
        with self._lock:
            reading = self._reading.get(series_id, [])
            left = [one for one in reading if not one.done()]
            failures = [one.exception() for one in reading if one.done() and not one.cancelled()]
            self._reading[series_id] = left
        for failure in failures:
            if isinstance(failure, Exception):
                self._faulty(failure)
