"""Windows of others: looked at by the same detector, behind ours, and not at all when nobody waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import DetectorError, Interrupted
from millet.flow.batcher import Batcher, Look, running
from millet.flow.lending import Lending
from millet.ports import Peaks

LONG_S = 30.0
SHAPE = (2, 3, 4)


class Recorder:
    """A `Detector` that keeps the numbers of its windows, and looks at none until it may."""

    device, provider, precision = "cpu", "recorder", "fp32"

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.begun, self.may = threading.Event(), threading.Event()

    def detect(self, windows):
        """One peak a window, whose score is its number."""
        self.seen += [int(window[0, 0, 0]) for window in windows]
        self.begun.set()
        assert self.may.wait(LONG_S)
        return [_peaks(int(window[0, 0, 0])) for window in windows]


def _peaks(number: int) -> Peaks:
    one = np.full(1, number, np.float32)
    return Peaks(np.zeros((1, 3), np.float32), one, one)


def windows(*numbers: int) -> torch.Tensor:
    """Windows that hold their number."""
    return torch.stack([torch.full(SHAPE, float(number)) for number in numbers])


def own(detector, number: int) -> Look:
    """A window of a series of ours."""
    return Look(
        series="ours", detector=detector, shape=SHAPE, voxels=lambda: windows(number)[0], urgency=ROUTINE
    )


@pytest.fixture
def detector():
    """A detector that is held up."""
    made = Recorder()
    yield made
    made.may.set()


def test_windows_of_others_wait_for_ours(detector):
    """What runs ends, then ours come, though they came later; each answer is its window's."""
    with running(Batcher()) as batcher, ThreadPoolExecutor(1) as pool:
        first = batcher.submit(own(detector, 1))
        assert detector.begun.wait(LONG_S)
        lent = pool.submit(Lending(batcher, detector).look, windows(7, 8), lambda _: True)
        while batcher.waiting < 2:
            threading.Event().wait(0.001)
        later = [batcher.submit(own(detector, number)) for number in (2, 3)]
        detector.may.set()
        assert [float(peaks.score[0]) for peaks in lent.result(LONG_S)] == [7.0, 8.0]
        for one in (first, *later):
            one.result(LONG_S)
    assert detector.seen == [1, 2, 3, 7, 8]


def test_an_emergency_waits_for_no_window_of_others(detector):
    """However many wait, it comes with the next batch."""
    with running(Batcher()) as batcher, ThreadPoolExecutor(1) as pool:
        first = batcher.submit(own(detector, 1))
        assert detector.begun.wait(LONG_S)
        lent = pool.submit(Lending(batcher, detector).look, windows(*range(100, 356)), lambda _: True)
        while batcher.waiting < 256:
            threading.Event().wait(0.001)
        urgent = batcher.submit(replace(own(detector, 2), urgency=EMERGENCY))
        detector.may.set()
        for one in (first, urgent):
            one.result(LONG_S)
        assert len(lent.result(LONG_S)) == 256
    assert detector.seen[:3] == [1, 2, 100]


def test_nobody_looks_at_what_nobody_waits_for(detector):
    """What still waits is taken back when the caller is gone, before or after."""
    gone = []
    with running(Batcher()) as batcher, ThreadPoolExecutor(1) as pool:
        first = batcher.submit(own(detector, 1))
        assert detector.begun.wait(LONG_S)
        lending = Lending(batcher, detector)
        with pytest.raises(Interrupted):
            lending.look(windows(5), lambda _: False)
        lent = pool.submit(lending.look, windows(6), lambda act: gone.append(act) is None)
        while not gone:
            threading.Event().wait(0.001)
        gone[0]()
        with pytest.raises(Interrupted):
            lent.result(LONG_S)
        detector.may.set()
        first.result(LONG_S)
    assert detector.seen == [1]


def test_a_queue_that_has_stopped_says_so(detector):
    """As the service does when it ends."""
    batcher = Batcher()
    batcher.stop()
    with pytest.raises(Interrupted):
        Lending(batcher, detector).look(windows(1), lambda _: True)


def test_a_detector_that_fails_tells_who_asked(detector):
    """And nobody else."""

    class Broken(Recorder):
        def detect(self, _windows):
            raise DetectorError("broken")

    detector.may.set()
    with running(Batcher()) as batcher:
        with pytest.raises(DetectorError, match="broken"):
            Lending(batcher, Broken()).look(windows(1), lambda _: True)
        (found,) = Lending(batcher, detector).look(windows(2), lambda _: True)
    assert float(found.score[0]) == 2.0
