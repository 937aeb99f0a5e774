"""Stacks of noise, and the same stacks as another scanner would have written them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.volume import Volume

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
UPRIGHT = (1, 1, 1)


def grid(slice_mm: float = 2.5, slices: int = 20) -> Grid:
    """A canonical grid that begins and ends between the points of any lattice."""
    return Grid(
        shape=(slices, 31, 37),
        spacing_mm=(slice_mm, 0.9, 0.83),
        origin_mm=PointMm(-11.3, 7.7, -41.2),
        axes=AXES,
    )


def noise(on: Grid) -> Volume:
    """White noise of whole HU: no two places are alike."""
    hu = np.random.default_rng(1).integers(-1000, 400, on.shape).astype(np.int16)
    return Volume(hu=hu, grid=on)


def turned(volume: Volume, flips: tuple[int, int, int] = UPRIGHT, *, transposed: bool = False) -> Volume:
    """The same voxels in the same places, written in another order: -1 flips an axis."""
    ends = [0 if flip > 0 else n - 1 for flip, n in zip(flips, volume.grid.shape, strict=True)]
    origin = volume.grid.to_patient_array(np.asarray([ends], float))[0]
    axes = [Vector(*(np.asarray(a) * f)) for a, f in zip(volume.grid.axes, flips, strict=True)]
    order = (0, 2, 1) if transposed else (0, 1, 2)
    shape, spacing = volume.grid.shape, volume.grid.spacing_mm
    grid = replace(
        volume.grid,
        shape=tuple(shape[a] for a in order),
        spacing_mm=tuple(spacing[a] for a in order),
        origin_mm=PointMm(*origin),
        axes=tuple(axes[a] for a in order),
    )
    hu = volume.hu[:: flips[0], :: flips[1], :: flips[2]].transpose(order)
    return Volume(hu=hu, grid=grid)
