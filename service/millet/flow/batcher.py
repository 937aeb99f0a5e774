"""One queue of windows a device, shared by all series that arrive or wait.

A window waits as a description; its voxels are made when its turn has come, so what is held is one batch
for each stream of the device, however many series wait. A batch that is too large for the device is
halved; of one that fails each window is tried alone, so that a window that cannot be looked at costs its
own series and no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

from millet.core.turns import EMERGENCY, NEVER, ROUTINE, Turn, batch, full, order
from millet.errors import DetectorError, Interrupted, OutOfMemory
from millet.ports import Detector, Peaks

if TYPE_CHECKING:
    import torch

MOST_BYTES = 512 * 2**20
"""Of the voxels of one batch."""

__all__ = ["EMERGENCY", "NEVER", "ROUTINE", "Batcher", "Look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A window that is to be looked at."""

    series: Hashable
    detector: Detector
    shape: tuple[int, int, int]
    voxels: Callable[[], torch.Tensor]
    """Makes it: (D, H, W) float32 on the detector's device."""
    then: Callable[[Peaks], Any] = lambda peaks: peaks
    """What is made of its peaks, and given."""
    urgency: int = ROUTINE
    due_s: float = NEVER


@dataclass(slots=True)
class _Waiting:
    turn: Turn
    look: Look
    result: Future[Any] = field(default_factory=Future)


class Batcher:
    """Runs what waits, most urgent first. Thread-safe."""

    def __init__(
        self,
        now_s: Callable[[], float] = lambda: 0.0,
        *,
        streams: int = 1,
        most: int = 1,
        most_bytes: int = MOST_BYTES,
        patience_s: float = 0.0,
        told: Callable[[int, float], None] = lambda _windows, _seconds: None,
    ) -> None:
        """Make one for one device.

        Args:
            now_s: for ageing and patience; by default nobody ages.
            streams: batches that run at once.
            most: windows in a batch.
            most_bytes: of the voxels of a batch; a window larger than that runs alone.
            patience_s: how long a window may wait for others to run with it.
            told: of the number of windows of each batch, and how long it took.
        """
        self._now_s = now_s
        self._told = told
        self._most, self._most_bytes, self._patience_s = most, most_bytes, patience_s
        self._changed = threading.Condition()
        self._waiting: dict[int, _Waiting] = {}
        self._had: dict[Hashable, float] = {}
        self._numbers = count()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"detect-{number}", daemon=True)
            for number in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, look: Look) -> Future[Any]:
        """Have a window looked at; the future fails with DetectorError, or with Interrupted when stopped."""
        turn = Turn(
            number=next(self._numbers),
            series=look.series,
            urgency=look.urgency,
            since_s=self._now_s(),
            due_s=look.due_s,
            alike=(id(look.detector), look.shape),
            size_bytes=4 * look.shape[0] * look.shape[1] * look.shape[2],
        )
        one = _Waiting(turn, look)
        with self._changed:
            if self._stopped:
                raise Interrupted
            self._waiting[turn.number] = one
            self._changed.notify()
        return one.result

    def hurry(self, series: Hashable, urgency: int, due_s: float) -> None:
        """Change the place of everything of a series that still waits."""
        with self._changed:
            for one in self._waiting.values():
                if one.turn.series == series:
                    one.turn = replace(one.turn, urgency=urgency, due_s=due_s)

    def cancel(self, series: Hashable) -> int:
        """Take back what waits of a series; its futures are cancelled. Returns how many there were."""
        with self._changed:
            gone = [number for number, one in self._waiting.items() if one.turn.series == series]
            taken = [self._waiting.pop(number) for number in gone]
            self._had.pop(series, None)
        _take_back(taken)
        return len(taken)

    @property
    def waiting(self) -> int:
        """Windows in the queue."""
        return len(self._waiting)

    def stop(self) -> None:
        """Let what runs end, take back what waits."""
        with self._changed:
            self._stopped = True
            left, self._waiting = list(self._waiting.values()), {}
            self._changed.notify_all()
        _take_back(left)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while self._run_next():
            pass  # in a function of its own: who waits for the next batch does not hold the last one's series

    def _run_next(self) -> bool:
        taken = self._taken()
        if not taken:
            return False
        began_s = perf_counter()
        _looked(taken)
        self._told(len(taken), perf_counter() - began_s)
        return True

    def _taken(self) -> list[_Waiting]:
        """The next batch, as soon as there is one; none when stopped."""
        with self._changed:
            while not self._stopped:
                now_s = self._now_s()
                turns = order([one.turn for one in self._waiting.values()], self._had, now_s)
                chosen = batch(turns, self._most, self._most_bytes)
                if chosen and full(chosen, self._most, self._most_bytes, now_s, self._patience_s):
                    for turn in chosen:
                        self._had[turn.series] = self._had.get(turn.series, 0.0) + turn.size_bytes
                    return [self._waiting.pop(turn.number) for turn in chosen]
                self._changed.wait(self._patience_s if chosen else None)
            return []


@contextmanager
def running(batcher: Batcher) -> Iterator[Batcher]:
    """A batcher for as long as it is needed."""
    try:
        yield batcher
    finally:
        batcher.stop()


def _take_back(ones: Sequence[_Waiting]) -> None:
    """Cancel what will not be looked at, and wake whoever waits for it."""
    for one in ones:
        one.result.cancel()
        one.result.set_running_or_notify_cancel()  # else `wait` would never hear of it


def _looked(taken: Sequence[_Waiting]) -> None:
    """Run a batch and keep each promise, well or ill."""
    asked = [one for one in taken if one.result.set_running_or_notify_cancel()]
    made = [(one, voxels) for one in asked if (voxels := _voxels(one)) is not None]
    if made:
        _run_batch([one for one, _ in made], [voxels for _, voxels in made])


def _voxels(one: _Waiting) -> torch.Tensor | None:
    try:
        return one.look.voxels()
    except BaseException as failure:  # noqa: BLE001 - it is whoever waits for this window who is told
        one.result.set_exception(failure)
        return None


def _run_batch(ones: Sequence[_Waiting], voxels: Sequence[torch.Tensor]) -> None:
    import torch

    half = len(ones) // 2
    try:
        windows = voxels[0][None] if len(voxels) == 1 else torch.stack(list(voxels))
        found = list(zip(ones, ones[0].look.detector.detect(windows), strict=True))
    except OutOfMemory as failure:
        if not half:
            ones[0].result.set_exception(failure)
            return
        _run_batch(ones[:half], voxels[:half])
        _run_batch(ones[half:], voxels[half:])
    except Exception as failure:  # noqa: BLE001 - whatever it is, it must not end the device's thread
        if not half:
            ones[0].result.set_exception(_named(failure))
            return
        for one, window in zip(ones, voxels, strict=True):
            _run_batch([one], [window])
    else:
        for one, peaks in found:
            _give(one, peaks)


def _give(one: _Waiting, peaks: Peaks) -> None:
    try:
        one.result.set_result(one.look.then(peaks))
    except Exception as failure:  # noqa: BLE001 - it is whoever waits for this window who is told
        one.result.set_exception(failure)


def _named(failure: Exception) -> DetectorError:
    if isinstance(failure, DetectorError):
        return failure
    return DetectorError(f"a detector failed: {type(failure).__name__}")
