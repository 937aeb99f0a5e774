from functools import cache

import chests
import numpy as np
import pytest
from masks import blobs

from millet.core.cover import cell_planes, cores, slab_cores
from millet.core.lungs import GRID_MM, lungs
from millet.core.maybe_lung import maybe_lung
from millet.core.placing import between
from millet.edge import models
from millet.flow.planes import Planes
from millet.phantom import presets

LEVELS = {level.name: level for level in models.load(models.bundled() / "log/1")[0].levels}
MOST = (192, 192, 192)
GRID = (GRID_MM, GRID_MM, GRID_MM)
CHESTS = {"negative": 3, "case": 7}
"""Presets and their seeds."""


@cache
def phantom(preset):
    """A small chest, its lungs, and its planes."""
    scan = presets.Scan(pixel_mm=1.4, slice_mm=2.5)
    volume = presets.make(preset, seed=CHESTS[preset], scale=0.4, scan=scan).volume
    return lungs(volume), Planes.of(volume)


def slabs(planes, level, cells):
    """The cores of every slab of so many cells of a level, each from its own planes alone."""
    low_mm, high_mm = (float(height) for height in planes.slices.heights_mm[[0, -1]])
    step_mm, deep = level.spacing_mm[0], cells * cell_planes(level)
    first, last = between(low_mm, high_mm, step_mm)
    for start in range(first // deep * deep, last, deep):
        range_ = between(max(start * step_mm, low_mm), min((start + deep - 1) * step_mm, high_mm), GRID_MM)
        air = maybe_lung(planes.volume(GRID, range_).hu)[None]
        grid = planes.frame.grid(GRID, (range_[0], range_[0] + 1))
        yield from slab_cores(air, grid, level, (start, start + deep), MOST)


def held(boxes, mask, level):
    """(N,) how many boxes hold each voxel of lung."""
    points = mask.grid.to_patient_array(np.argwhere(mask.label).astype(float))[:, ::-1]
    voxels = np.floor(points / level.spacing_mm + 0.5)
    return np.sum([((voxels >= b.start) & (voxels < b.stop)).all(axis=1) for b in boxes], axis=0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("preset", CHESTS)
def test_slabs_hold_nearly_all_of_the_lungs_and_the_rest_is_held_in_the_end(preset, level):
    """Each slab by itself, before the mask is there; then each voxel of the mask lies in just one core."""
    mask, planes = phantom(preset)
    level = LEVELS[level]
    ahead = list(slabs(planes, level, 4))
    times = held(ahead, mask, level)
    assert np.count_nonzero(times) >= 0.97 * len(times)
    rest = list(cores(mask, level, MOST, ahead))
    assert (held([*ahead, *rest], mask, level) == 1).all()
    assert not [(a, b) for a in ahead for b in rest if a.within(b)]


@pytest.mark.parametrize("preset", CHESTS)
def test_slabs_leave_most_of_the_chest_alone(preset):
    """What is looked at ahead is not the whole field of view."""
    mask, planes = phantom(preset)
    looked = sum(float(np.prod(box.shape)) for box in slabs(planes, LEVELS["middle"], 8))
    assert looked < 0.5 * mask.label.size


def test_air_around_the_body_and_small_pockets_are_no_lung():
    """What reaches the rim, or is a sinus, gives no column; a lung gives its own and a rim around them."""
    hu = np.full((8, 60, 80), 40, np.float32)
    hu[:, :6] = hu[:, :, :5] = -1000
    hu[3:5, 40:44, 10:14] = -1000
    assert not maybe_lung(hu).any()
    hu[:, 20:40, 30:50] = -850
    wanted = np.zeros((60, 80), bool)
    wanted[19:41, 29:51] = True
    assert np.array_equal(maybe_lung(hu), wanted)


def test_lung_of_any_plane_gives_its_columns():
    """A slab that holds the top of a lung and one that holds all of it are asked alike."""
    hu = chests.hu(chests.grid()).astype(np.float32)
    whole = lungs(chests.volume(chests.grid(), hu)).label > 0
    for start in range(0, len(hu), 15):
        found, inside = maybe_lung(hu[start : start + 15]), whole[start : start + 15].any(axis=0)
        assert np.count_nonzero(inside & ~found) <= 0.03 * np.count_nonzero(inside)


def test_solid_tissue_has_no_lung():
    """Nothing is found where nothing is air, whatever its shape."""
    hu = np.where(blobs(2), 300, 40).astype(np.float32)
    assert not maybe_lung(hu).any()
