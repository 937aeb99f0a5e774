"""Windows change nothing, whatever their size: a strided toy detector on noise, in lungs of any shape."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import blobs, grid, mask_of
from scipy import ndimage

from millet.core.manifest import Level
from millet.core.volume import Volume
from millet.flow.detect import find, plan
from millet.ports import Peaks
from millet.train.log_card import manifest

CELL = 4
LEVEL = Level(
    name="fine",
    graph="toy",
    spacing_mm=(1.0, 1.0, 1.0),
    halo_voxels=(7, 7, 7),
    multiple_voxels=(CELL, CELL, CELL),
    diameters_mm=(1.0, 9.0),
    threshold=0.5,
)
MANIFEST = replace(manifest("0" * 64, 13), levels=(LEVEL,), candidate_floor=0.0, merge_distance=1e-6)
KERNEL = np.random.default_rng(5).random((3, 3, 3))
SHAPE = (44, 40, 56)


class Strided:
    """Peaks of a blur of voxels plus a blur of cells: right only where windows begin at whole cells."""

    provider = precision = "toy"
    device = "cpu"

    def __init__(self) -> None:
        self.windows = []

    def detect(self, windows):
        """Reach one cell and three voxels to every side."""
        return [self._look(window) for window in windows.numpy()]

    def _look(self, window):
        assert not any(n % CELL for n in window.shape)
        self.windows.append(window.shape)
        d, h, w = (n // CELL for n in window.shape)
        cells = window.reshape(d, CELL, h, CELL, w, CELL).mean(axis=(1, 3, 5), dtype=np.float64)
        coarse = ndimage.correlate(cells, KERNEL, mode="constant")
        field = ndimage.correlate(window.astype(np.float64), KERNEL, mode="constant")
        field += np.kron(coarse, np.ones((CELL,) * 3))
        peak = np.argwhere(field == ndimage.maximum_filter(field, 3))
        score = 1 / (1 + np.exp(-(field[tuple(peak.T)] + 11000) / 3000))
        return Peaks(peak.astype(np.float32), np.full(len(peak), 3, np.float32), score.astype(np.float32))


def scene(seed):
    """Noise in a volume that holds the mask, at a place where no lattice begins."""
    origin = np.random.default_rng(seed).integers(-90, 90, 3).astype(float)
    lungs = mask_of(blobs(seed, tuple(n // 2 for n in SHAPE)), origin)
    hu = np.random.default_rng(seed + 1).normal(-800, 60, SHAPE).astype(np.float32)
    return Volume(hu=hu, grid=grid(SHAPE, 1.0, origin)), lungs


def places(found):
    """Centres and scores, in an order of their own."""
    return sorted((*c.centre_mm, round(c.score, 9)) for c in found)


@given(seed=st.integers(0, 99), core=st.tuples(*[st.integers(8, 50)] * 3))
@settings(max_examples=6, deadline=None)
def test_a_strided_graph_finds_the_same_whatever_the_windows(seed, core):
    """The peaks are those of one window around everything, each once."""
    volume, lungs = scene(seed)
    whole = replace(lungs, label=np.ones_like(lungs.label))
    everything = find(volume, whole, {"toy": Strided()}, MANIFEST, core_voxels=(999, 999, 999))
    inside = [c for c in everything if lungs.at(np.asarray([c.centre_mm]))[0]]
    found = find(volume, lungs, {"toy": Strided()}, MANIFEST, core_voxels=core)
    assert inside
    assert places(found) == places(inside)


def test_the_level_chooses_its_windows_unless_it_is_told():
    """`core_voxels` of the level bounds its cores; the argument goes first."""
    volume, lungs = scene(1)
    small = replace(MANIFEST, levels=(replace(LEVEL, core_voxels=(12, 8, 16)),))
    for told, most in ((None, (12, 8, 16)), ((8, 8, 8), (8, 8, 8))):
        for _, window in plan(volume.grid, lungs, small, told):
            assert (np.asarray(window.core.shape) <= most).all()


def test_work_shrinks_with_the_lung():
    """A window computes the lung that it holds and its halo, not the chest around it."""
    volume, lungs = scene(2)
    held = np.zeros_like(lungs.label)
    held[8:12, 8:12, 8:12] = 1
    toy = Strided()
    find(volume, replace(lungs, label=held), {"toy": toy}, MANIFEST)
    (shape,) = toy.windows
    assert max(shape) <= 8 + 2 * CELL + 2 * (7 + CELL)


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_computes_less_than_a_pattern_of_windows(seed):
    """Cores that follow the lungs compute no more voxels than cubes in rows do."""
    volume, lungs = scene(seed)
    planned = sum(math.prod(w.box.shape) for _, w in plan(volume.grid, lungs, MANIFEST, (32, 32, 32)))
    assert planned < 0.9 * math.prod(math.ceil(n / 32) * (32 + 14) for n in SHAPE)
