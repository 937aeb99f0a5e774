from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pytest
import torch

from millet.errors import DetectorError, Interrupted, OutOfMemory
from millet.flow.batcher import EMERGENCY, Batcher, Look
from millet.ports import Peaks

LONG_S = 30.0
"""More than any of this takes: only a failure waits so long."""
SHAPE = (2, 3, 4)


class Recorder:
    """A `Detector` that keeps the numbers of the windows of each batch, and can be held up or be broken."""

    device = "cpu"
    provider = precision = "recorder"

    def __init__(self, *, holds: int = 99, broken: dict[int, Exception] | None = None) -> None:
        self.batches: list[list[int]] = []
        self._holds, self._broken = holds, broken or {}
        self._begun, self._may = threading.Semaphore(0), threading.Event()
        self._may.set()

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """One peak a window, whose score is its number."""
        numbers = [int(window[0, 0, 0]) for window in windows]
        self.batches.append(numbers)
        self._begun.release()
        assert self._may.wait(LONG_S)
        if len(numbers) > self._holds:
            raise OutOfMemory("too many")
        for number in numbers:
            if number in self._broken:
                raise self._broken[number]
        return [_peaks(number) for number in numbers]

    def close(self) -> None:
        """Hold up whatever begins from now on."""
        self._may.clear()

    def open(self) -> None:
        """Let everything go on."""
        self._may.set()

    def wait_begun(self) -> None:
        """Until one more batch has begun."""
        assert self._begun.acquire(timeout=LONG_S)


class Clock:
    """Time that moves when told; it knows how often a device's thread has looked at it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._looks = threading.Semaphore(0)

    def __call__(self) -> float:
        """Now."""
        if threading.current_thread() is not threading.main_thread():
            self._looks.release()
        return self.now_s

    def wait_looked(self, times: int) -> None:
        """Until it has been looked at so many times more."""
        while self._looks.acquire(blocking=False):
            pass
        for _ in range(times):
            assert self._looks.acquire(timeout=LONG_S)


def _peaks(number: int) -> Peaks:
    return Peaks(
        np.zeros((1, 3), np.float32), np.full(1, 3, np.float32), np.full(1, float(number), np.float32)
    )


def score(peaks: Peaks) -> float:
    """The number of the window that a peak comes from."""
    return float(peaks.score[0])


def look(detector: Recorder, number: int, series: str = "a", **values: object) -> Look:
    """Window `number`."""
    shape = values.pop("shape", SHAPE)
    told = {"voxels": lambda: torch.full(shape, float(number)), "then": score, **values}
    return Look(series=series, detector=detector, shape=shape, **told)


@contextmanager
def batching(detector: Recorder, **values: object) -> Iterator[Batcher]:
    """A batcher that ends in any case."""
    batcher = Batcher(**values)
    try:
        yield batcher
    finally:
        detector.open()
        batcher.stop()


@contextmanager
def busy(batcher: Batcher, detector: Recorder, number: int = 0) -> Iterator[None]:
    """While the device looks at a window of another series; it is free again behind the block."""
    detector.close()
    batcher.submit(look(detector, number, "other", shape=(1, 1, 1)))
    detector.wait_begun()
    yield
    detector.open()


def results(asked: Sequence[futures.Future[float]]) -> list[float]:
    """All answers."""
    return [one.result(LONG_S) for one in asked]


def test_each_window_gets_its_own_answer() -> None:
    """However they were put together; `then` has made of it what was asked for."""
    detector = Recorder()
    with batching(detector, most=4) as batcher:
        asked = [batcher.submit(look(detector, n)) for n in range(1, 30)]
        twice = batcher.submit(look(detector, 30, then=lambda peaks: 2 * score(peaks)))
        as_it_is = batcher.submit(Look(series="a", detector=detector, shape=SHAPE, voxels=asked_voxels))
        assert results(asked) == list(range(1, 30))
        assert twice.result(LONG_S) == 60
        assert score(as_it_is.result(LONG_S)) == 7
    assert max(len(batch) for batch in detector.batches) <= 4
    assert sorted(chain.from_iterable(detector.batches)) == sorted([*range(1, 31), 7])


def test_a_series_is_not_held_while_the_next_window_is_waited_for() -> None:
    """What makes its voxels refers to all of its slices."""
    detector, freed = Recorder(), threading.Event()
    slices = torch.full(SHAPE, 5.0)
    weakref.finalize(slices, freed.set)
    with batching(detector) as batcher:
        asked = batcher.submit(look(detector, 5, voxels=lambda slices=slices: slices.clone()))
        del slices
        assert asked.result(LONG_S) == 5
        assert freed.wait(LONG_S)


def asked_voxels() -> torch.Tensor:
    """A window."""
    return torch.full(SHAPE, 7.0)


def test_an_emergency_overtakes_between_two_batches() -> None:
    """What runs ends first; then it goes before all that waits, with whom it finds as companions."""
    detector = Recorder()
    with batching(detector, most=2) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n)) for n in range(1, 5)]
            asked.append(batcher.submit(look(detector, 9, "b", urgency=EMERGENCY)))
            assert detector.batches == [[0]]
        results(asked)
    assert detector.batches == [[0], [9, 1], [2, 3], [4]]


def test_the_earlier_deadline_goes_first_and_series_take_turns() -> None:
    """A complete series goes before those that arrive; these share the device."""
    detector = Recorder()
    with batching(detector) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n, "many")) for n in (1, 2, 3)]
            asked.append(batcher.submit(look(detector, 4, "few")))
            asked.append(batcher.submit(look(detector, 5, "complete", due_s=1.0)))
        results(asked)
    assert detector.batches == [[0], [5], [1], [4], [2], [3]]


def test_windows_that_are_not_alike_run_apart() -> None:
    """Other shapes, other detectors, and more bytes than there is room for."""
    detector, other = Recorder(), Recorder()
    with batching(detector, most=9, most_bytes=3 * 4 * 24) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n)) for n in (1, 2, 3, 4)]
            asked.append(batcher.submit(look(detector, 5, shape=(2, 4, 3))))
            asked.append(batcher.submit(look(other, 6)))
            asked.append(batcher.submit(look(detector, 7, shape=(9, 9, 9))))
        results(asked)
    assert detector.batches == [[0], [1, 2, 3], [4], [5], [7]]
    assert other.batches == [[6]]


def test_a_batch_that_is_too_large_is_halved() -> None:
    """Until it fits; every window gets its answer."""
    detector = Recorder(holds=2)
    with batching(detector, most=8) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n)) for n in range(1, 8)]
        assert results(asked) == [1, 2, 3, 4, 5, 6, 7]
    assert detector.batches[1:] == [
        [1, 2, 3, 4, 5, 6, 7],
        [1, 2, 3],
        [1],
        [2, 3],
        [4, 5, 6, 7],
        [4, 5],
        [6, 7],
    ]


def test_a_window_that_is_too_large_alone_says_so() -> None:
    """It fails as what it is; what comes after it does not."""
    detector = Recorder(holds=0)
    with batching(detector, most=2) as batcher:
        asked = [batcher.submit(look(detector, n)) for n in (1, 2)]
        for one in asked:
            assert isinstance(one.exception(LONG_S), OutOfMemory)


@pytest.mark.parametrize("failure", [ValueError("nan"), DetectorError("it is ill")], ids=["any", "named"])
def test_a_poison_window_fails_alone(failure: Exception) -> None:
    """Its batch mates, of its own series and of others, get their answers, and so do all that come later."""
    detector = Recorder(broken={3: failure})
    with batching(detector, most=4) as batcher:
        with busy(batcher, detector):
            asked = {n: batcher.submit(look(detector, n, "ab"[n % 2])) for n in (1, 2, 3, 4)}
        told = asked.pop(3).exception(LONG_S)
        assert results(list(asked.values())) == [1, 2, 4]
        assert batcher.submit(look(detector, 5)).result(LONG_S) == 5
    assert isinstance(told, DetectorError)
    assert ("ValueError" in str(told)) is isinstance(failure, ValueError)
    assert "nan" not in str(told)


def test_a_detector_that_leaves_answers_out_is_at_fault() -> None:
    """Nobody gets another's answer, nobody waits for ever, and the device goes on."""

    class Forgetful(Recorder):
        """Answers for all but the last."""

        def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
            """One answer too few."""
            return super().detect(windows)[:-1]

    detector, sound = Forgetful(), Recorder()
    with batching(detector, most=3) as batcher:
        asked = [batcher.submit(look(detector, n)) for n in (1, 2, 3)]
        for one in asked:
            assert isinstance(one.exception(LONG_S), DetectorError)
        assert batcher.submit(look(sound, 4)).result(LONG_S) == 4


@pytest.mark.parametrize("failure", [OSError("gone"), Interrupted()], ids=["error", "stop"])
def test_voxels_that_cannot_be_made_fail_their_own_window(failure: BaseException) -> None:
    """The others of the batch run without it."""

    def fail() -> torch.Tensor:
        raise failure

    detector = Recorder()
    with batching(detector, most=3) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n)) for n in (1, 3)]
            bad = batcher.submit(look(detector, 2, voxels=fail))
        assert results(asked) == [1, 3]
        assert bad.exception(LONG_S) is failure
    assert detector.batches == [[0], [1, 3]]


def test_what_then_raises_is_told() -> None:
    """To whoever waits for that window, and to nobody else."""

    def fail(_peaks: Peaks) -> float:
        raise KeyError("then")

    detector = Recorder()
    with batching(detector, most=2) as batcher:
        with busy(batcher, detector):
            bad, good = batcher.submit(look(detector, 1, then=fail)), batcher.submit(look(detector, 2))
        assert isinstance(bad.exception(LONG_S), KeyError)
        assert good.result(LONG_S) == 2
    assert detector.batches == [[0], [1, 2]]


def test_cancelling_takes_back_one_series() -> None:
    """Whoever waits for its windows hears of it; the others' run."""
    detector = Recorder()
    with batching(detector, most=9) as batcher:
        with busy(batcher, detector):
            gone = [batcher.submit(look(detector, n)) for n in (1, 2)]
            kept = batcher.submit(look(detector, 3, "b"))
            alone = batcher.submit(look(detector, 4, "c"))
            assert alone.cancel()
            assert batcher.waiting == 4
            assert batcher.cancel("a") == 2
            assert batcher.cancel("a") == 0
            assert futures.wait(gone, timeout=LONG_S).not_done == set()
            assert [one.cancelled() for one in (*gone, kept)] == [True, True, False]
        assert kept.result(LONG_S) == 3
    assert detector.batches == [[0], [3]]


def test_a_series_can_be_hurried() -> None:
    """All of it that still waits, and what comes of it later by its own place."""
    detector = Recorder()
    with batching(detector) as batcher:
        with busy(batcher, detector):
            asked = [batcher.submit(look(detector, n, "ab"[n > 2])) for n in (1, 2, 3, 4)]
            batcher.hurry("b", EMERGENCY, 0.0)
            asked.append(batcher.submit(look(detector, 5, "b")))
        results(asked)
    assert detector.batches[:3] == [[0], [3], [4]]
    assert detector.batches[3:] == [[1], [2], [5]]


def test_a_window_waits_for_company_as_long_as_it_may() -> None:
    """By the clock that it was given; a batch that is full does not wait."""
    detector, clock = Recorder(), Clock()
    with batching(detector, now_s=clock, most=3, patience_s=0.01) as batcher:
        asked = [batcher.submit(look(detector, 1))]
        clock.wait_looked(3)
        asked.append(batcher.submit(look(detector, 2)))
        clock.wait_looked(3)
        assert detector.batches == []
        asked.append(batcher.submit(look(detector, 3)))
        assert results(asked) == [1, 2, 3]
        last = batcher.submit(look(detector, 4))
        clock.wait_looked(3)
        assert not last.done()
        clock.now_s = 0.02
        assert last.result(LONG_S) == 4
    assert detector.batches == [[1, 2, 3], [4]]


def test_streams_run_side_by_side() -> None:
    """Two batches are on the device at once."""
    both = threading.Barrier(2)

    class Meeting(Recorder):
        """Goes on when another batch has come."""

        def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
            """Wait for the other stream."""
            both.wait(LONG_S)
            return super().detect(windows)

    detector = Meeting()
    with batching(detector, streams=2) as batcher:
        assert results([batcher.submit(look(detector, n)) for n in (1, 2, 3, 4)]) == [1, 2, 3, 4]


def test_stopping_ends_what_runs_and_takes_back_what_waits() -> None:
    """Whoever waits hears of it; nothing is begun any more."""
    detector = Recorder()
    with batching(detector) as batcher:
        detector.close()
        running = batcher.submit(look(detector, 1))
        detector.wait_begun()
        waiting = [batcher.submit(look(detector, n, "b")) for n in (2, 3)]
        stopping = threading.Thread(target=batcher.stop, daemon=True)
        stopping.start()
        assert futures.wait(waiting, timeout=LONG_S).not_done == set()
        assert all(one.cancelled() for one in waiting)
        assert batcher.waiting == 0
        with pytest.raises(Interrupted):
            batcher.submit(look(detector, 4))
        detector.open()
        assert running.result(LONG_S) == 1
        stopping.join(LONG_S)
        assert not stopping.is_alive()
    assert detector.batches == [[1]]


def test_each_batch_is_told_with_its_windows_and_its_time():
    """Those that failed, too: the device was busy with them."""
    told = []
    detector = Recorder(broken={2: RuntimeError("bad")})
    with batching(detector, most=2, told=lambda *batch: told.append(batch)) as batcher:
        futures.wait([batcher.submit(look(detector, number)) for number in (1, 2, 3)], LONG_S)
    assert sum(windows for windows, _ in told) == 3
    assert min(seconds for _, seconds in told) > 0
