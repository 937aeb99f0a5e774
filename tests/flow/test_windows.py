"""Windows change nothing, whatever their size: a strided toy detector on noise, in lungs of any shape."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import blobs, grid, mask_of
from strided import CELL, LEVEL, MANIFEST, Strided

from millet.core.volume import Volume
from millet.flow.detect import find, plan

SHAPE = (44, 40, 56)


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
