"""Slices stacked: HU on a grid, in a canonical order that forgets how the scanner wrote it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm, Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """HU (z, y, x), float32 or int16, on its grid."""

    hu: NDArray[np.float32] | NDArray[np.int16]
    grid: Grid

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise ValueError(f"voxels {self.hu.shape} do not fill the grid {self.grid.shape}")


def canonical_order(grid: Grid) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Say how to reorder a grid's axes so that z runs to the head, y to the back and x to the left.

    Returns:
        The source axis for each of (z, y, x), and whether that axis must be flipped. Each canonical
        axis takes the source axis nearest to it; ties cannot occur for orthonormal axes.
    """
    axes: Floats = np.asarray(grid.axes, float)
    wanted = np.asarray([(0, 0, 1), (0, 1, 0), (1, 0, 0)], float)
    cosines = wanted @ axes.T  # [canonical, source]
    order: list[int] = [0, 0, 0]
    free = {0, 1, 2}
    for canonical in np.argsort(-np.abs(cosines).max(axis=1), kind="stable"):
        source = max(free, key=lambda axis: abs(cosines[canonical, axis]))
        order[canonical] = source
        free.remove(source)
    flips = tuple(bool(cosines[canonical, order[canonical]] < 0) for canonical in range(3))
    return (order[0], order[1], order[2]), (flips[0], flips[1], flips[2])


def canonical(volume: Volume) -> Volume:
    """The same voxels, z growing to the head, y to the back, x to the left (views, no copies)."""
    order, flips = canonical_order(volume.grid)
    hu = volume.hu.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return Volume(hu=hu, grid=canonical_grid(volume.grid))


def canonical_grid(grid: Grid) -> Grid:
    """The grid of `canonical(volume)`."""
    order, flips = canonical_order(grid)
    axes = [np.asarray(grid.axes[axis], float) for axis in order]
    spacing = [grid.spacing_mm[axis] for axis in order]
    shape = [grid.shape[axis] for axis in order]
    origin = np.asarray(grid.origin_mm, float)
    for axis, flip in enumerate(flips):
        if flip:
            origin = origin + axes[axis] * spacing[axis] * (shape[axis] - 1)
            axes[axis] = -axes[axis]
    return replace(
        grid,
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=PointMm(*(float(v) for v in origin)),
        axes=(Vector(*axes[0].tolist()), Vector(*axes[1].tolist()), Vector(*axes[2].tolist())),
    )


def upright(
    hu: NDArray[np.int16] | NDArray[np.float32], grid: Grid
) -> NDArray[np.int16] | NDArray[np.float32]:
    """The pixels of one slice of a grid in the canonical order: rows to the back, columns to the left."""
    order, flips = canonical_order(grid)
    seen = hu if order == (0, 1, 2) else hu.T
    return seen[:: -1 if flips[1] else 1, :: -1 if flips[2] else 1]
