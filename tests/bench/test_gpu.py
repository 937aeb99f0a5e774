from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from millet.phantom import presets
from millet.phantom.acquisition import Scan
from millet.ports import Peaks

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def gpu():
    """The benchmark, whose folder is no package."""
    sys.path.insert(0, str(BENCH))
    import gpu

    yield gpu
    sys.path.remove(str(BENCH))


def peaks(*found):
    """Peaks of (z, score)."""
    places = np.asarray([(z, 5, 5) for z, _ in found], np.float32).reshape(-1, 3)
    return Peaks(places, np.full(len(found), 4, np.float32), np.asarray([s for _, s in found], np.float32))


@pytest.mark.parametrize(
    ("one", "two", "alone", "shift"),
    [
        (peaks((3, 0.9), (9, 0.7)), peaks((9.2, 0.705), (3, 0.9)), 0, 0.005),
        (peaks((3, 0.9)), peaks((7, 0.9)), 2, 0.0),
        (peaks((3, 0.9)), peaks(), 1, 0.0),
        (peaks((3, 0.505)), peaks((3, 0.495)), 0, 0.0),
        (peaks((3, 0.9)), peaks((3, 0.4)), 1, 0.0),
        (peaks((3, 0.1)), peaks(), 0, 0.0),
    ],
)
def test_peaks_that_one_alone_reports_are_counted(gpu, one, two, alone, shift):
    """In either direction; who is near the threshold may be on either side of it."""
    for a, b in ((one, two), (two, one)):
        counted, largest = gpu.disagreement(a, b, 0.5, 0.01)
        assert counted == alone
        assert largest == pytest.approx(shift, abs=1e-6)


def test_a_machine_without_a_gpu_says_so_in_every_row(gpu):
    """No value, and why; the targets of the issue stand beside."""
    rows = gpu.unmeasured(gpu.Size())
    assert {row.value for row in rows} == {None}
    assert {row.note for row in rows} == {"not measured: no CUDA device"}
    assert {row.name: (row.target, row.stretch) for row in rows}["fp16: GPU time a scan, 400 slices"] == (
        20,
        5,
    )


def test_what_it_measures_fills_every_row(gpu, monkeypatch):
    """On the CPU and a small chest, to see that it runs; in fp32 the peaks are OpenVINO's."""
    monkeypatch.setattr(gpu, "PRECISIONS", ("fp32",))
    size = gpu.Size(side=32, batches=(1, 2), repetitions=1)
    chest = presets.make("case", seed=0, scale=0.3, scan=Scan(slice_mm=2.0))
    rows = list(gpu.measured("cpu", chest.volume, size))
    assert [row.name for row in rows] == [row.name for row in gpu.unmeasured(size)]
    assert all(row.value is not None for row in rows)
    assert [row.met for row in rows[:2]] == [True, True]
