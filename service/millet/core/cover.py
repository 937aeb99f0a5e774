"""Few computed voxels that cover the lungs: where the cores of a level's windows lie.

Theory of operation. Every window is computed with its halo, so a regular pattern of windows computes
several times the lung: small ones for their halos, large ones for the chest that lies between. Here the
lungs are drawn on coarse cells; their bounding box is cut where that lowers the number of voxels to be
computed, each part shrinks to what it holds, and is cut again (first between the lungs, then at apex and
base, which are narrow). A part that is larger than a window may be counts as the windows it will need.
Cores never overlap and hold every voxel of lung, so whatever the cuts, the peaks are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Mask
from millet.core.geometry import Grid
from millet.core.lattice import Triple
from millet.core.lungs import LungMask
from millet.core.manifest import Level
from millet.core.resample import Box

CELL_MM = 4.0
"""Cells are about as wide: fine enough to follow a lung, coarse enough to be cut in no time."""

HALO_SHARE = 0.6
"""What a voxel of halo costs, in voxels of core: a network needs less of it from layer to layer, and a graph
may be trimmed to that. Windows of an untrimmed graph are a twentieth dearer than they could be."""
_EDGE = 1e-6
"""In voxels: a point on the edge of two voxels of the mask is held by the cells of both."""

Cells = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a window computes: its core in whole cells, at most `most` of them a side, and its halo."""

    cell_voxels: Triple
    most_cells: Triple
    halo_voxels: tuple[float, float, float]

    def voxels(self, *sides: Any) -> Any:
        """What is computed for a box of these sides (z, y, x) in cells, numbers or arrays of them."""
        total = 1.0
        for side, cell, most, halo in zip(
            sides, self.cell_voxels, self.most_cells, self.halo_voxels, strict=True
        ):
            total = total * (side * cell + 2 * halo * np.ceil(np.divide(side, most)))
        return total


def cores(lungs: LungMask, level: Level, most: Triple, done: Iterable[Box] = ()) -> Iterator[Box]:
    """Disjoint boxes of a level's lattice that hold all of the lungs, each at most `most` voxels a side.

    They begin and end at whole cells, which are multiples of the level's own; `most` is rounded down to
    them, but not below one. What lies in `done`, boxes of whole cells but at the lattice's
    ends, is not held again.
    """
    cell = _cell(level)
    occupied, base = _occupied(lungs.label > 0, lungs.grid, level.spacing_mm, cell)
    taken = np.zeros_like(occupied)
    for box in done:
        taken[tuple(_cells_of(box, cell, base, occupied.shape))] = True
    yield from _boxes(occupied & ~taken, base, cell, level, most, taken)


def slab_cores(air: Mask, grid: Grid, level: Level, slab: tuple[int, int], most: Triple) -> Iterator[Box]:
    """Disjoint boxes of one slab of a level's lattice that hold what may be lung.

    Args:
        air: what may be lung, on `grid`, whose axes are the level's.
        grid: any grid that holds the slab.
        level: whose lattice it is.
        slab: its first plane and the one behind its last, multiples of `cell_planes`.
        most: the most voxels of a box along y and x; along z it is as deep as the slab.
    """
    _, row, column = _cell(level)
    depth = slab[1] - slab[0]
    occupied, base = _occupied(air, grid, level.spacing_mm, (1, row, column))
    level_ground = np.asarray((0, *base[1:]))
    columns = np.asarray(occupied.any(axis=0))[None]
    for box in _boxes(columns, level_ground, (depth, row, column), level, most):
        (_, top, left), (_, bottom, right) = box.start, box.stop
        yield Box(start=(slab[0], top, left), stop=(slab[1], bottom, right))


def cell_planes(level: Level) -> int:
    """The planes of a cell: slabs begin and end at multiples of it."""
    return _cell(level)[0]


def _boxes(
    occupied: Cells,
    base: NDArray[np.int64],
    cell: Triple,
    level: Level,
    most: Triple,
    taken: Cells | None = None,
) -> Iterator[Box]:
    z, y, x = (max(m // c, 1) for m, c in zip(most, cell, strict=True))
    above, front, left = (HALO_SHARE * n for n in level.halo_voxels)
    price = Price(cell_voxels=cell, most_cells=(z, y, x), halo_voxels=(above, front, left))
    for part in cut(occupied, price, taken):
        start, stop = ((np.asarray(end) + base) * cell for end in (part.start, part.stop))
        yield Box(start=tuple(start.tolist()), stop=tuple(stop.tolist()))


def _cells_of(box: Box, cell: Triple, base: NDArray[np.int64], shape: tuple[int, ...]) -> Iterator[slice]:
    for axis in range(3):
        first = box.start[axis] // cell[axis] - int(base[axis])
        last = -(-box.stop[axis] // cell[axis]) - int(base[axis])
        yield slice(min(max(first, 0), shape[axis]), min(max(last, 0), shape[axis]))


def cut(occupied: Cells, price: Price, taken: Cells | None = None) -> Iterator[Box]:
    """Disjoint boxes of cells that hold every occupied cell and none that is taken, in order of cuts."""
    nothing = np.broadcast_to(np.zeros(1, bool), occupied.shape)
    yield from _parts(occupied, nothing if taken is None else taken, (0, 0, 0), price)


def _cell(level: Level) -> Triple:
    sides = zip(level.spacing_mm, level.multiple_voxels, strict=True)
    z, y, x = (voxels * max(round(CELL_MM / (mm * voxels)), 1) for mm, voxels in sides)
    return z, y, x


def _occupied(
    mask: Mask, grid: Grid, spacing_mm: tuple[float, float, float], cell: Triple
) -> tuple[Cells, NDArray[np.int64]]:
    """Which cells of a lattice hold some of a mask, and the first of them along each axis."""
    held, bases = mask, []
    for axis in range(3):
        first, ranges = _touching(grid, axis, spacing_mm[axis], cell[axis])
        across = np.moveaxis(held, axis, 0)
        held = np.stack([across[low:high].any(axis=0) for low, high in ranges], axis)
        bases.append(first)
    return held, np.asarray(bases)


def _touching(mask: Grid, axis: int, spacing_mm: float, cell: int) -> tuple[int, list[tuple[int, int]]]:
    """The first cell along an axis, and for each the voxels of the mask (from, up to and without) in it."""
    along = float(np.asarray(mask.axes[axis], float) @ np.asarray(mask.origin_mm, float))
    edges = (along + (np.arange(mask.shape[axis] + 1) - 0.5) * mask.spacing_mm[axis]) / spacing_mm
    low, high = (np.floor(np.rint(e) / cell).astype(int) for e in (edges[:-1] - _EDGE, edges[1:] + _EDGE))
    cells = np.arange(low[0], high[-1] + 1)
    ranges = zip(np.searchsorted(high, cells), np.searchsorted(low, cells, side="right"), strict=True)
    return int(low[0]), [(int(start), int(stop)) for start, stop in ranges]


def _parts(occupied: Cells, taken: Cells, at: Triple, price: Price) -> Iterator[Box]:
    """Shrink to what is occupied, and cut it in two as long as that is cheaper or it must not stay whole."""
    if not occupied.any():
        return
    low, high = _extent(occupied)
    extent = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    held, others = occupied[extent], taken[extent]
    z, y, x = (a + b for a, b in zip(at, low, strict=True))
    found = _best_cut(held, price, alone=not others.any())
    if found is None:
        d, h, w = held.shape
        yield Box(start=(z, y, x), stop=(z + d, y + h, x + w))
        return
    axis, index = found
    first, second = np.split(held, [index], axis)
    other, another = np.split(others, [index], axis)
    beyond = [z, y, x]
    beyond[axis] += index
    yield from _parts(first, other, (z, y, x), price)
    yield from _parts(second, another, (beyond[0], beyond[1], beyond[2]), price)


def _extent(occupied: Cells) -> tuple[list[int], list[int]]:
    """The bounding box of the occupied cells."""
    lines = [np.flatnonzero(occupied.any(axis=_others(axis))) for axis in range(3)]
    return [int(line[0]) for line in lines], [int(line[-1]) + 1 for line in lines]


def _best_cut(held: Cells, price: Price, *, alone: bool) -> tuple[int, int] | None:
    """Where to cut, as axis and index; None when the whole is cheaper, fits and holds nobody else's cells."""
    fits = alone and all(n <= most for n, most in zip(held.shape, price.most_cells, strict=True))
    least, best = price.voxels(*held.shape) if fits else math.inf, None
    for axis in range(3):
        before = price.voxels(*_prefixes(held, axis))[:-1]
        after = price.voxels(*_prefixes(np.flip(held, axis), axis))[-2::-1]
        total = before + after
        if len(total) and total.min() < least:
            least, best = float(total.min()), (axis, int(total.argmin()) + 1)
    return best


def _prefixes(held: Cells, axis: int) -> list[NDArray[np.int64]]:
    """The sides (z, y, x) of what is occupied in the first 1, 2, ... planes along an axis."""
    sides = [np.zeros(0, np.int64)] * 3
    for other in _others(axis):
        (third,) = (a for a in range(3) if a not in {axis, other})
        plane = held.any(axis=third) if axis < other else held.any(axis=third).T
        seen = np.logical_or.accumulate(plane, axis=0)
        sides[other] = seen.shape[1] - seen[:, ::-1].argmax(axis=1) - seen.argmax(axis=1)
    on = np.flatnonzero(held.any(axis=_others(axis)))
    count = np.arange(held.shape[axis])
    last = on[np.searchsorted(on, count, side="right") - 1]
    sides[axis] = last - on[0] + 1
    return sides


def _others(axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(3) if a != axis)
