"""Lung masks and volumes made of numbers, for tests of windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from millet.core.analysis import Lungs
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import GRID_MM, LungMask

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))


def grid(shape, spacing_mm, origin_mm) -> Grid:
    """A canonical grid; the origin is (x, y, z)."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    return Grid(shape=shape, spacing_mm=spacing, origin_mm=PointMm(*origin_mm), axes=AXES)


def blobs(seed: int, shape: tuple[int, int, int] = (24, 22, 30)) -> NDArray[np.bool_]:
    """A few balls that may touch."""
    random = np.random.default_rng(seed)
    places = np.indices(shape)
    held = np.zeros(shape, bool)
    for _ in range(4):
        centre, radius = random.uniform(0, shape), random.uniform(2, 7)
        held |= sum((i - c) ** 2 for i, c in zip(places, centre, strict=True)) < radius**2
    return held


def two_lungs(vessel_mm: float = 3.0) -> LungMask:
    """Two ellipsoids of 1.2 and 1.0 L, the right one larger, with a vessel along z through each."""
    shape = (80, 78, 116)
    z, y, x = ((np.arange(n) - (n - 1) / 2) * GRID_MM for n in shape)
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    label, hu = np.zeros(shape, np.uint8), np.full(shape, 40.0, np.float32)
    for side, middle, half in ((1, -58.0, 50.0), (2, 58.0, 42.0)):
        inside = ((x - middle) / half) ** 2 + (y / 75) ** 2 + (z / 78) ** 2 <= 1
        label[inside] = side
        hu[inside] = -850.0
        hu[inside & ((x - middle) ** 2 + y**2 + 0 * z <= vessel_mm**2)] = 40.0
    origin = (-(shape[2] - 1) * GRID_MM / 2, -(shape[1] - 1) * GRID_MM / 2, -(shape[0] - 1) * GRID_MM / 2)
    litres = [float(np.count_nonzero(label == side)) * GRID_MM**3 / 1e6 for side in (1, 2)]
    return LungMask(
        label=label,
        hu=hu,
        grid=grid(shape, GRID_MM, origin),
        litres=Lungs(right_l=litres[0], left_l=litres[1]),
        cut_at_top=False,
        cut_at_base=False,
    )


def places_in(lungs: LungMask, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Even places (count, 3) in the lungs."""
    voxels = np.argwhere(lungs.label)
    chosen = voxels[rng.integers(len(voxels), size=count)]
    return lungs.grid.to_patient_array(chosen + rng.uniform(-0.5, 0.5, (count, 3)))


def mask_of(held: NDArray[np.bool_], origin_mm=(0.0, 0.0, 0.0)) -> LungMask:
    """A lung mask of one lung."""
    return LungMask(
        label=held.astype(np.uint8),
        hu=np.full(held.shape, -850, np.float32),
        grid=grid(held.shape, GRID_MM, origin_mm),
        litres=Lungs(right_l=1.0, left_l=0.0),
        cut_at_top=False,
        cut_at_base=False,
    )
