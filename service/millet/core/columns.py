"""A lung read along a direction in which a fissure is a height: columns of cells over a plane.

Theory of operation. An oblique fissure faces upwards and forwards, the horizontal one upwards. Over a plane
that faces the same way either is one height in each column, and nearly level. On the lattice of 1 mm both
directions are whole steps of voxels, so the lung is read as it stands and nothing is interpolated. What is
read is how much brighter a voxel is than the lung about it, cut off a little above: a fissure shows 20 to
150 HU there, and the vessels, of which there are many more, no longer outshine it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.bits import Bits, Mask
from millet.core.components import extent
from millet.core.geometry import Floats, Grid
from millet.core.lungs import GRID_MM, LungMask
from millet.core.placing import along

STEP_MM = 1.0
"""Of the lattice that is read."""
CELL = 3
"""Voxels of a cell along x."""
BRIGHTEST_HU = 30
"""Over the lung about a voxel, above which no more is told."""
LUNG_MOST_HU = 100.0
"""Over the median of the lung: what is brighter is no parenchyma, and not what its level is measured by."""
LEVEL_SIGMA_MM = 12.0
LEAST_LUNG_VOXELS = 0.05
EDGE_VOXELS = 2
"""Of the mask: next to the surface of the lung the wall blurs into it."""
OUTERMOST_SHARE = 0.03
"""Share of the lung at either end of the columns where no fissure is looked for."""
LEAST_MM = 50.0
"""Of the box of a lung along each axis: in less of it nothing is looked for."""

_ROOM = 4

Floats32 = NDArray[np.float32]
Planes = Sequence[NDArray[np.int16]]
Steps = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Up the columns and along their rows, in voxels (z, y); a cell is `count` steps along wide."""

    up: Steps
    along: Steps
    count: int


OBLIQUE = View(up=(1, -1), along=(1, 1), count=2)
LEVEL = View(up=(1, 0), along=(0, 1), count=3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Where cells (row, column, height) lie: along the view's rows, to the left, up the columns."""

    axes: Floats
    """Directions in LPS of z, y and x, as rows."""
    steps: Floats
    """(3, 3): the step in mm (z, y, x) to the next row, column and height, as rows; at right angles."""
    first_mm: Floats
    """Place (z, y, x) of cell (0, 0, 0) in mm."""

    def to_cells(self, points_mm: Floats) -> Floats:
        """The cells (N, 3) of points (N, 3) in LPS."""
        off = np.asarray(points_mm, float) @ self.axes.T - self.first_mm
        cells: Floats = off @ (self.steps / (self.steps**2).sum(axis=1, keepdims=True)).T
        return cells

    def to_points(self, cells: Floats) -> Floats:
        """The points (N, 3) in LPS of cells (N, 3)."""
        points: Floats = (self.first_mm + cells @ self.steps) @ self.axes
        return points

    @property
    def step_mm(self) -> Floats:
        """From row to row, column to column, height to height."""
        return np.asarray(np.linalg.norm(self.steps, axis=1))

    def moved(self, cells: Sequence[float], every: int = 1) -> Frame:
        """The frame that begins at another cell and takes every so many rows and columns."""
        first = self.first_mm + np.asarray(cells, float) @ self.steps
        return Frame(axes=self.axes, steps=self.steps * [[every], [every], [1]], first_mm=first)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Cells (row, column, height): HU over the lung about them, at most `BRIGHTEST_HU`; which are lung."""

    hu: Floats32
    lung: Mask
    frame: Frame


def columns(planes: Planes, grid: Grid, lungs: LungMask, label: int, view: View) -> Columns | None:
    """One lung's columns, from planes (y, x) at 1 mm on `grid`; None where there is too little of it.

    Both grids are of one lattice. Raises ValueError for another spacing.
    """
    if grid.spacing_mm != (STEP_MM,) * 3:
        raise ValueError(f"columns are read at {STEP_MM} mm, not at {grid.spacing_mm}")
    box = extent(lungs.label == label)
    if box is None:
        return None
    part = _Part.of(lungs, label, box)
    low, high = part.covered(grid)
    if (high - low).min() * STEP_MM < LEAST_MM or not part.inner.any():
        return None
    first_mm = np.asarray(along(grid)) + STEP_MM * low
    bright = part.over_level(_cut(planes, low, high), first_mm)
    frame, shape = _frame(view, bright.shape, first_mm, np.asarray(grid.axes, float))
    lung = part.lung_of(frame, shape)
    bottom, top = _heights(lung)
    return Columns(
        hu=_cells(view, bright, shape, (bottom, top)),
        lung=np.ascontiguousarray(lung[:, :, bottom:top]),
        frame=frame.moved((0, 0, bottom)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """The box of one lung on the grid of its mask."""

    hu: Floats32
    inner: Mask
    """The lung without its rim."""
    first_mm: Floats
    """Place (z, y, x) of its first voxel."""

    @classmethod
    def of(cls, lungs: LungMask, label: int, box: tuple[slice, slice, slice]) -> _Part:
        inner = Bits.of(lungs.label[box] == label, EDGE_VOXELS).shrunk(EDGE_VOXELS**2).mask()
        corner = np.asarray([side.start for side in box], float)
        return cls(hu=lungs.hu[box], inner=inner, first_mm=np.asarray(along(lungs.grid)) + GRID_MM * corner)

    def covered(self, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where this begins and ends (without) on a grid of 1 mm."""
        start = (self.first_mm - np.asarray(along(grid))) / STEP_MM
        stop = start + (np.asarray(self.inner.shape) - 1) * GRID_MM / STEP_MM
        low = np.clip(np.floor(start + 1e-6), 0, grid.shape).astype(np.int64)
        return low, np.clip(np.ceil(stop - 1e-6) + 1, low, grid.shape).astype(np.int64)

    def over_level(self, hu: NDArray[np.int16], first_mm: Floats) -> NDArray[np.int16]:
        """HU over the level of the lung in the same z and y, at most `BRIGHTEST_HU`."""
        level = np.rint(self._level()).astype(np.int16)
        rows, columns = (
            _nearest(
                first_mm[axis] + STEP_MM * np.arange(hu.shape[axis]), self.first_mm[axis], level.shape[axis]
            )
            for axis in (0, 1)
        )
        over: NDArray[np.int16] = hu - level[rows][:, columns][:, :, None]
        return np.minimum(over, np.int16(BRIGHTEST_HU), out=over)

    def _level(self) -> Floats32:
        """Mean HU (z, y) of parenchyma: it is denser below than above, and thinner in emphysema."""
        usual = float(np.median(self.hu[self.inner][::7]))
        parenchyma = np.minimum(self.hu, np.float32(usual + LUNG_MOST_HU)) * self.inner
        sigma = LEVEL_SIGMA_MM / GRID_MM
        total = ndimage.gaussian_filter(parenchyma.sum(axis=2), sigma, mode="constant")
        count = ndimage.gaussian_filter(self.inner.sum(axis=2, dtype=np.float32), sigma, mode="constant")
        enough = count > LEAST_LUNG_VOXELS
        return np.asarray(np.where(enough, total / np.maximum(count, LEAST_LUNG_VOXELS), usual), np.float32)

    def lung_of(self, frame: Frame, shape: tuple[int, int, int]) -> Mask:
        """Which cells lie in the lung, clear of its rim."""
        rows, columns, heights = (np.arange(count)[:, None] for count in shape)
        places = [
            frame.first_mm[axis] + rows * frame.steps[0, axis] + heights.T * frame.steps[2, axis]
            for axis in (0, 1)
        ]
        inside = np.ones(places[0].shape, bool)
        at = []
        for axis, place in enumerate(places):
            voxel = np.rint((place - self.first_mm[axis]) / GRID_MM).astype(int)
            inside &= (voxel >= 0) & (voxel < self.inner.shape[axis])
            at.append(np.clip(voxel, 0, self.inner.shape[axis] - 1))
        x = _nearest(
            frame.first_mm[2] + columns[:, 0] * frame.steps[1, 2], self.first_mm[2], self.inner.shape[2]
        )
        found = self.inner[at[0], at[1]][:, :, x] & inside[:, :, None]
        return np.asarray(found.transpose(0, 2, 1))


def _nearest(places_mm: Floats, first_mm: float, count: int) -> NDArray[np.int64]:
    return np.clip(np.rint((places_mm - first_mm) / GRID_MM), 0, count - 1).astype(np.int64)


def _cut(planes: Planes, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int16]:
    """The voxels of a box whose width is a whole number of cells."""
    width = (high[2] - low[2]) // CELL * CELL
    rows, columns = slice(low[1], high[1]), slice(low[2], low[2] + width)
    return np.stack([planes[z][rows, columns] for z in range(low[0], high[0])])


def _frame(
    view: View, shape: tuple[int, ...], first_mm: Floats, axes: Floats
) -> tuple[Frame, tuple[int, int, int]]:
    """The frame that holds a box of voxels (z, y, x), and how many cells that is."""
    (row, rows), (height, heights) = _range(view.along, shape), _range(view.up, shape)
    a, u = np.asarray(view.along), np.asarray(view.up)
    start = np.append((row + (view.count - 1) / 2) * a + height * u, (CELL - 1) / 2)
    steps = np.zeros((3, 3))
    steps[0, :2], steps[1, 2], steps[2, :2] = view.count * a, CELL, u
    frame = Frame(axes=axes, steps=STEP_MM * steps, first_mm=first_mm + STEP_MM * start)
    return frame, (rows // view.count, shape[2] // CELL, heights)


def _range(step: Steps, shape: tuple[int, ...]) -> tuple[int, int]:
    """The lowest position of a box along a step, and how many there are."""
    corners = np.asarray([(z, y) for z in (0, shape[0] - 1) for y in (0, shape[1] - 1)])
    places = corners @ np.asarray(step) / float(np.dot(step, step))
    low = int(np.floor(places.min()))
    return low, int(np.ceil(places.max())) - low + 1


def _heights(lung: Mask) -> tuple[int, int]:
    """The heights between which most of the lung lies, with room for what is compared above and below."""
    ends = np.cumsum(np.count_nonzero(lung, axis=(0, 1)))
    low, high = np.searchsorted(ends, [OUTERMOST_SHARE * ends[-1], (1 - OUTERMOST_SHARE) * ends[-1]])
    return max(int(low) - _ROOM, 0), min(int(high) + _ROOM, lung.shape[2])


def _cells(
    view: View, bright: NDArray[np.int16], shape: tuple[int, int, int], heights: tuple[int, int]
) -> Floats32:
    """Means over the voxels of each cell (row, column, height) between two heights."""
    depth, rows, width = bright.shape
    (row, _), (height, _) = _range(view.along, bright.shape), _range(view.up, bright.shape)
    b = row + np.arange(shape[0] * view.count)[:, None]
    h = height + np.arange(*heights)[None, :]
    z, y = (
        np.clip(b * a + h * u, 0, n - 1) for a, u, n in zip(view.along, view.up, (depth, rows), strict=True)
    )
    lines = bright.reshape(-1, width).take((z * rows + y).ravel(), axis=0).reshape(*z.shape, width)
    total = sum(lines[k :: view.count, :, j::CELL] for k in range(view.count) for j in range(CELL))
    mean = np.asarray(total, np.float32) * np.float32(1 / (view.count * CELL))
    return np.ascontiguousarray(mean.transpose(0, 2, 1))
