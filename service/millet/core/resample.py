"""A volume on another grid of the same axes: linear where finer, averaged where coarser.

Grids made here lie on a lattice anchored in patient coordinates: their points are whole multiples of
the spacing along each axis, so a nodule meets the same voxels whichever slices of it were sent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm
from millet.core.volume import Volume

_SNAP = 1e-6  # of a lattice step: below what a decimal string in a header can say


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Lattice positions (z, y, x) from `start` up to, not with, `stop`."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Positions along each axis."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def within(self, other: Box) -> Box | None:
        """The part of this box that lies in another, None if nothing does."""
        z, y, x = (max(a, b) for a, b in zip(self.start, other.start, strict=True))
        d, h, w = (min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Box(start=(z, y, x), stop=(d, h, w)) if d > z and h > y and w > x else None


def lattice_grid(grid: Grid, spacing_mm: tuple[float, float, float], box: Box) -> Grid:
    """The grid of a box of the lattice that has this spacing and the axes of `grid`."""
    steps = np.asarray(grid.axes, float) * np.asarray(spacing_mm, float)[:, None]
    origin = np.asarray(box.start, float) @ steps
    return Grid(shape=box.shape, spacing_mm=spacing_mm, origin_mm=PointMm(*origin.tolist()), axes=grid.axes)


def lattice_box(grid: Grid, spacing_mm: tuple[float, float, float]) -> Box:
    """The lattice positions that lie between the first and the last voxel centre of a grid."""
    first = _along_axes(grid) / np.asarray(spacing_mm, float)
    extent = (np.asarray(grid.shape) - 1) * np.asarray(grid.spacing_mm) / np.asarray(spacing_mm)
    start = [math.ceil(v - _SNAP) for v in first]
    stop = [max(math.floor(v + _SNAP) + 1, a + 1) for v, a in zip(first + extent, start, strict=True)]
    return Box(start=(start[0], start[1], start[2]), stop=(stop[0], stop[1], stop[2]))


def resample(volume: Volume, grid: Grid) -> Volume:
    """HU of `volume` at the voxels of `grid`, which must have the same axes.

    Along an axis where `grid` is coarser each value is a tent-weighted mean over one target voxel to
    either side, else it is interpolated linearly. Beyond the outermost slices, rows and columns the
    nearest one is repeated.

    Returns:
        float32 HU; memory is bounded by the part of `volume` that `grid` covers.
    """
    if not np.allclose(np.asarray(volume.grid.axes), np.asarray(grid.axes), atol=1e-6):
        raise ValueError("resample needs grids of the same axes")
    offset = (_along_axes(grid) - _along_axes(volume.grid)) / np.asarray(volume.grid.spacing_mm)
    hu = volume.hu
    weights = []
    for axis in range(3):
        step = grid.spacing_mm[axis] / volume.grid.spacing_mm[axis]
        positions = offset[axis] + step * np.arange(grid.shape[axis])
        first, matrix = tent(positions, hu.shape[axis], max(step, 1.0))
        hu = hu[(slice(None),) * axis + (slice(first, first + matrix.shape[1]),)]
        weights.append(torch.from_numpy(matrix))
    block = torch.from_numpy(np.ascontiguousarray(hu, np.float32))
    block = block @ weights[2].T
    block = weights[1] @ block
    block = (weights[0] @ block.reshape(block.shape[0], -1)).reshape(grid.shape)
    return Volume(hu=block.numpy(), grid=grid)


def tent(positions: Floats, count: int, width: float) -> tuple[int, NDArray[np.float32]]:
    """The first source index that is needed, and the weights (targets, sources) from there on."""
    centres = np.clip(np.round(positions, 9), 0, count - 1)
    first = max(math.ceil(centres.min() - width), 0)
    last = min(math.floor(centres.max() + width), count - 1)
    distance = np.abs(centres[:, None] - np.arange(first, last + 1)[None, :])
    weights = np.maximum(0, 1 - distance / width)
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _along_axes(grid: Grid) -> Floats:
    """Coordinates of voxel (0, 0, 0) along the grid's own axes, in mm."""
    along: Floats = np.asarray(grid.axes, float) @ np.asarray(grid.origin_mm, float)
    return along
