"""Slices on a lattice: each in its own plane first, then between slices, from what lies beside a plane alone.

Theory of operation. A lattice is anchored in patient coordinates, and so is every slice; where a lattice
plane lies between two slices does not depend on how many slices there are, on the order in which they
came, or on any slice farther away. In the plane a voxel is interpolated linearly where the lattice is
finer than the pixels, else it is a tent-weighted mean over one lattice step to either side; so it is
between slices, with the step or the gap that the plane lies in, whichever is wider. Beyond the outermost
slices, rows and columns the nearest one is repeated. For evenly spaced slices this is `core.resample`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.resample import tent
from millet.core.volume import Volume, canonical, canonical_order

BAND = 32
"""Lattice columns (or rows) that are made at once: they need a band of the source and not all of it."""
AGREES_MM = 1e-3
"""Frames that lie no farther apart are one: positions are written in decimals. It shifts the steepest edge
in a lung by about one HU."""
_SNAP = 1e-6
Range = tuple[int, int]
"""Lattice positions from, up to and without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where the pixels of a stack's slices lie, rows running to the back and columns to the left."""

    axes: tuple[Vector, Vector, Vector]
    """Unit directions of z (to the head), y (to the back) and x (to the left) as the slices lie."""
    first_mm: tuple[float, float]
    """Of the first row and the first column, along y and x."""
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]

    @classmethod
    def of(cls, grid: Grid) -> Frame:
        """The frame of a grid whose first axis is the body's, whichever way its rows and columns run.

        Raises ValueError for other grids.
        """
        if canonical_order(grid)[0][0] != 0:
            raise ValueError("the slices of this grid do not lie across the body")
        seen = canonical(Volume(hu=np.broadcast_to(np.float32(0), grid.shape), grid=grid)).grid
        _, y_mm, x_mm = along(seen)
        _, dy, dx = seen.spacing_mm
        _, rows, columns = seen.shape
        return cls(axes=seen.axes, first_mm=(y_mm, x_mm), spacing_mm=(dy, dx), shape=(rows, columns))

    def agrees(self, other: Frame) -> bool:
        """Whether slices of both may stand in one stack without anybody being able to tell."""
        ends = [np.add(f.first_mm, np.multiply(np.subtract(f.shape, 1), f.spacing_mm)) for f in (self, other)]
        aside = max(np.abs(np.subtract(self.first_mm, other.first_mm)).max(), np.abs(ends[0] - ends[1]).max())
        turned = np.abs(np.subtract(self.axes, other.axes)).max()
        return self.shape == other.shape and bool(aside <= AGREES_MM) and bool(turned <= AGREES_MM / 500)

    def lattice(self, spacing_mm: float, axis: int) -> Range:
        """The lattice positions between the first and the last pixel along y (0) or x (1)."""
        length_mm = (self.shape[axis] - 1) * self.spacing_mm[axis]
        return between(self.first_mm[axis], self.first_mm[axis] + length_mm, spacing_mm)

    def grid(self, spacing_mm: tuple[float, float, float], z: Range) -> Grid:
        """The lattice's grid over the whole plane and a range of planes."""
        (top, bottom), (left, right) = (self.lattice(spacing_mm[1 + axis], axis) for axis in (0, 1))
        steps = np.asarray(self.axes, float) * np.asarray(spacing_mm, float)[:, None]
        origin = np.asarray([z[0], top, left], float) @ steps
        return Grid(
            shape=(z[1] - z[0], bottom - top, right - left),
            spacing_mm=spacing_mm,
            origin_mm=PointMm(*origin.tolist()),
            axes=self.axes,
        )


def along(grid: Grid) -> tuple[float, float, float]:
    """Coordinates of voxel (0, 0, 0) along a grid's own axes, in mm."""
    z, y, x = (np.asarray(grid.axes, float) @ np.asarray(grid.origin_mm, float)).tolist()
    return z, y, x


def between(first_mm: float, last_mm: float, spacing_mm: float) -> Range:
    """The lattice positions from one point to another, at least one."""
    start = math.ceil(first_mm / spacing_mm - _SNAP)
    return start, max(math.floor(last_mm / spacing_mm + _SNAP) + 1, start + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Band:
    """Lattice positions `made` come from source positions `used` by these weights (made, used)."""

    made: slice
    used: slice
    weights: torch.Tensor


class InPlane:
    """Slices of one frame to the rows and columns of one lattice, on one device.

    One row and column more are made on each side than lie in the frame: they repeat its rim exactly, and so
    does whatever repeats them.
    """

    def __init__(self, frame: Frame, spacing_mm: tuple[float, float], device: str = "cpu") -> None:
        ranges = [rimmed(frame.lattice(spacing_mm[axis], axis)) for axis in (0, 1)]
        self.shape = (ranges[0][1] - ranges[0][0], ranges[1][1] - ranges[1][0])
        self._rows, self._columns = (
            _bands(frame, axis, ranges[axis], spacing_mm[axis], device) for axis in (0, 1)
        )

    def __call__(self, hu: torch.Tensor, wide: torch.Tensor | None = None) -> torch.Tensor:
        """(S, rows, columns) float32 in the frame's order to (S, y, x) on the lattice.

        `wide`, of (S, rows, x), is written to on the way; without it memory is taken.
        """
        count, rows, _ = hu.shape
        wide = hu.new_empty((count, rows, self.shape[1])) if wide is None else wide
        for band in self._columns:
            torch.matmul(hu[:, :, band.used], band.weights.T, out=wide[:, :, band.made])
        made = hu.new_empty((count, *self.shape))
        for band in self._rows:
            torch.matmul(band.weights, wide[:, band.used], out=made[:, band.made])
        return made


def rimmed(lattice: Range) -> Range:
    """One more position at both ends."""
    return lattice[0] - 1, lattice[1] + 1


@lru_cache(maxsize=32)
def in_plane(frame: Frame, spacing_mm: tuple[float, float], device: str = "cpu") -> InPlane:
    """An `InPlane`, remembered: all slices of a series need the same."""
    return InPlane(frame, spacing_mm, device)


def _bands(frame: Frame, axis: int, lattice: Range, spacing_mm: float, device: str) -> tuple[_Band, ...]:
    step = spacing_mm / frame.spacing_mm[axis]
    positions = np.arange(*lattice, dtype=np.float64) * step - frame.first_mm[axis] / frame.spacing_mm[axis]
    offset, weights = tent(positions, frame.shape[axis], max(step, 1.0))
    bands = []
    for start in range(0, len(weights), BAND):
        part = weights[start : start + BAND]
        used = np.flatnonzero(part.any(axis=0))
        first, last = int(used[0]), int(used[-1]) + 1
        held = torch.from_numpy(np.ascontiguousarray(part[:, first:last])).to(device)
        source = slice(offset + first, offset + last)
        bands.append(_Band(made=slice(start, start + len(part)), used=source, weights=held))
    return tuple(bands)


def through(heights_mm: Floats, planes: Range, spacing_mm: float) -> tuple[int, NDArray[np.float32]]:
    """How much each slice adds to each lattice plane.

    Args:
        heights_mm: of all known slices along the body, rising.
        planes: lattice positions along the body.
        spacing_mm: of the lattice.

    Returns:
        The first slice that is needed, and the shares (planes, slices from there on); each row's sum is 1.
    """
    at = np.clip(np.arange(*planes) * spacing_mm, heights_mm[0], heights_mm[-1])
    at = np.round(at, 9)
    above = np.clip(np.searchsorted(heights_mm, at), 1, max(len(heights_mm) - 1, 1))
    if len(heights_mm) == 1:
        return 0, np.ones((len(at), 1), np.float32)
    gap = heights_mm[above] - heights_mm[above - 1]
    width = np.maximum(np.maximum(gap, spacing_mm), _SNAP)
    first = int(np.searchsorted(heights_mm, (at - width).min(), side="right"))
    last = int(np.searchsorted(heights_mm, (at + width).max(), side="left"))
    first, last = min(first, int(above.min()) - 1), max(last, int(above.max()) + 1)
    shares = np.maximum(0, 1 - np.abs(heights_mm[None, first:last] - at[:, None]) / width[:, None])
    shares /= shares.sum(axis=1, keepdims=True)
    used = np.flatnonzero(shares.any(axis=0))
    start, stop = int(used[0]), int(used[-1]) + 1
    return first + start, np.ascontiguousarray(shares[:, start:stop], np.float32)


def slice_grid(grid: Grid) -> Grid:
    """The grid of a stack's first slice alone."""
    _, rows, columns = grid.shape
    return replace(grid, shape=(1, rows, columns))
