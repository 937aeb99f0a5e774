"""Blocks of lung with nodules in rows, as a scanner of thin slices shows them: quick to make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.volume import Volume
from millet.phantom import acquisition, nodules
from millet.phantom.kinds import of_kind
from millet.phantom.nodules import Psf, Sphere
from millet.phantom.spec import Scan

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
SCAN = Scan(noise_hu=30, fwhm_mm=1.1)
LUNG_HU = -860.0


def row(
    kind: str, diameters_mm: Sequence[float], seed: int = 1, apart_mm: float = 24.0
) -> tuple[Sphere, ...]:
    """Nodules of a kind along x, their centres nowhere in particular in their voxels."""
    rng = np.random.default_rng([seed, 5])
    centres = np.zeros((len(diameters_mm), 3))
    centres[:, 0] = apart_mm * np.arange(len(diameters_mm))
    centres += rng.uniform(-0.5, 0.5, centres.shape)
    solid = nodules.spheres(centres, np.asarray(diameters_mm, float), rng)
    return tuple(of_kind(one, kind, rng) for one in solid)


def lung(spheres: Sequence[Sphere], *, seed: int = 1, scan: Scan = SCAN, shift_mm: float = 0.0) -> Volume:
    """The block around a row of nodules; another seed is another scan of it."""
    last = max(one.centre_mm.x for one in spheres)
    spacing = (scan.step_mm, scan.pixel_mm, scan.pixel_mm)
    reach = 14.0
    sides = (2 * reach, 2 * reach, last + 2 * reach)
    shape = tuple(int(side / step) for side, step in zip(sides, spacing, strict=True))
    start = PointMm(-reach + shift_mm, -reach + shift_mm, -reach + shift_mm)
    grid = Grid(shape=shape, spacing_mm=spacing, origin_mm=start, axes=AXES)
    hu = np.full(shape, LUNG_HU, np.float32)
    nodules.lay(hu, tuple(spheres), grid, Psf.of(fwhm_mm=scan.fwhm_mm, slice_mm=scan.slice_mm))
    if scan.noise_hu:
        wide = (shape[0], 256, shape[2] + shape[2] % 2)
        hu += scan.noise_hu * acquisition.noise(scan, wide, seed)[:, : shape[1], : shape[2]]
    return Volume(hu=np.rint(hu).astype(np.int16), grid=grid)
