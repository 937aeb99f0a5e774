from __future__ import annotations

from math import pi

import chests
import numpy as np
import pytest
from scipy import ndimage

from millet.core.geometry import PointMm, Vector
from millet.core.volume import Volume
from millet.phantom.implant import lay
from millet.phantom.lesion import Blur, Lesion, Lobe, share

LOBES = (
    Lobe(Vector(0.6, 0.8, 0), 2, 0.2),
    Lobe(Vector(0, 0.6, 0.8), 3, -0.15),
    Lobe(Vector(1, 0, 0), 4, 0.1),
)
THIN, THICK = Blur.of("BONE", 1.25), Blur.of("STANDARD", 2.5)
GRIDS = {
    "thin": (chests.grid(shape=(40, 64, 64), spacing=(1.25, 0.625, 0.625), origin=(-20, -20, -25)), THIN),
    "thick": (chests.grid(shape=(24, 60, 60), spacing=(2.5, 0.7, 0.7), origin=(-20, -20, -30)), THICK),
    "overlapping": (
        chests.grid(shape=(50, 60, 60), spacing=(1.0, 0.76, 0.76), origin=(-22, -22, -25)),
        Blur.of("B31f", 2.0),
    ),
}


@pytest.fixture(params=GRIDS)
def scan(request):
    """A grid and the blur of its scan."""
    return GRIDS[request.param]


def lesion(diameter_mm: float, **looks) -> Lesion:
    """One a little off every voxel's centre."""
    return Lesion(centre_mm=PointMm(0.3, -0.2, 0.4), diameter_mm=diameter_mm, kind="solid", **looks)


def noisy(grid, lung_hu: float = -870.0) -> Volume:
    """Lung with noise, and a wall of tissue on its left."""
    x, _, _ = chests.points(grid)
    tissue = np.broadcast_to(np.where(x > 8, 40.0, lung_hu), grid.shape)
    blurred = ndimage.gaussian_filter(tissue, [0.7 / s for s in grid.spacing_mm])
    noise = np.random.default_rng(1).normal(0, 40, grid.shape)
    return Volume(hu=(blurred + noise).astype(np.float32), grid=grid)


@pytest.mark.parametrize("diameter_mm", [1.5, 3.0, 6.0])
def test_volume_and_centre_are_those_of_the_truth(scan, diameter_mm):
    """Whatever its bumps and blur, a lesion fills the volume of its diameter about its centre."""
    grid, blur = scan
    one = lesion(diameter_mm, tissue_hu=40.0, edge_mm=0.6, lobes=LOBES)
    box, filled = share(one, grid, blur)
    volume_mm3 = float(filled.sum()) * grid.voxel_mm3
    assert volume_mm3 == pytest.approx(pi / 6 * diameter_mm**3, rel=0.03)
    centre = [(np.arange(b.start, b.stop) * w).sum() for b, w in zip(box, _sums(filled), strict=True)]
    assert np.linalg.norm(grid.to_patient_array(np.asarray([centre]))[0] - one.centre_mm) < 0.1
    assert 0 <= filled.min() < 1e-3
    assert filled.max() <= 1 + 1e-5


def _sums(filled):
    return [filled.sum(axis=tuple({0, 1, 2} - {k})) / filled.sum() for k in range(3)]


def test_blur_is_that_of_the_scan(scan):
    """A lesion much smaller than the blur shows the blur's own width along each axis."""
    blur = scan[1]
    grid = chests.grid(shape=(60, 60, 60), spacing=(0.4, 0.4, 0.4), origin=(-12, -12, -12))
    box, filled = share(lesion(0.8, tissue_hu=40.0, edge_mm=0.0), grid, blur)
    for axis, (part, weights) in enumerate(zip(box, _sums(filled), strict=True)):
        at = np.arange(part.start, part.stop) * grid.spacing_mm[axis]
        width = np.sqrt((at**2 * weights).sum() - (at * weights).sum() ** 2)
        ball = 0.8 / 2 / np.sqrt(5)
        assert width == pytest.approx(np.hypot(blur.sigma_mm[axis], ball), rel=0.05)


@pytest.mark.parametrize(("diameter_mm", "peak_hu"), [(1.5, 250.0), (2.5, 600.0), (6.0, 120.0)])
def test_a_faint_one_peaks_as_asked_after_blur(scan, diameter_mm, peak_hu):
    """In noisy lung the brightest voxel of a faint lesion gains what was asked for, and no noise goes."""
    grid, blur = scan
    before = noisy(grid)
    after = lay(before, [lesion(diameter_mm, peak_hu=peak_hu, edge_mm=0.8, lobes=LOBES)], blur)
    gain = after.volume.hu - before.hu
    assert gain.max() == pytest.approx(peak_hu, rel=0.05)
    assert gain.min() >= 0
    assert after.truth[0].diameter_mm == diameter_mm


def test_a_solid_one_reaches_its_tissue_and_spares_what_is_denser():
    """A large solid lesion shows its tissue's HU; where it overlaps a wall as dense nothing is added."""
    grid, blur = GRIDS["thin"]
    before = noisy(grid)
    inside = lay(before, [lesion(8.0, tissue_hu=40.0)], blur).volume.hu
    z, y, x = (round(v) for v in grid.to_index(PointMm(0.3, -0.2, 0.4)))
    assert inside[z - 1 : z + 2, y - 2 : y + 3, x - 2 : x + 3].mean() == pytest.approx(40, abs=15)
    wall = Lesion(centre_mm=PointMm(11, 0, 0), diameter_mm=4, kind="solid", tissue_hu=40.0)
    assert (lay(before, [wall], blur).volume.hu - before.hu).max() < 60


def test_a_lesion_has_one_contrast():
    """Neither none nor two ways of saying how bright it is."""
    for looks in ({}, {"tissue_hu": 40.0, "peak_hu": 300.0}):
        with pytest.raises(ValueError, match="either"):
            lesion(3.0, **looks)
