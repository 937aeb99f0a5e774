"""The fissures of a lung: smooth surfaces with what supports them, or none where too little does.

A surface is found in every lung; it is taken for a fissure only where it stands out from its parallels as no
surface does that is looked for where there is none (in mirrored lungs the contrast was 0.13 to 0.30; it
goes up with one over the root of the cells that are crossed). The oblique fissures come first; the
horizontal one is looked for in what lies above the right one. Where a surface is not supported (a fissure
is incomplete in most people: Gulsun et al., Surg Radiol Anat 28:155, 2006) it goes on as straight as
it can, and is doubted the more the farther that is: smooth and held at its ends, it does not stray evenly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.bits import Mask
from millet.core.columns import LEVEL, OBLIQUE, Columns, Floats32, Frame, Planes, columns
from millet.core.geometry import Floats, Grid
from millet.core.lungs import LungMask
from millet.core.relief import HEARD, Relief, relief
from millet.core.ridges import ridges

RIGHT, LEFT = 1, 2
LEAST_CONTRAST = 0.35
FEW_CELLS = 320
"""Crossed by a surface, below which chance contrasts grow."""
DOUBT_MM = 1.5
"""How far a surface may be wrong where it is supported."""
DOUBT_PER_ROOT_MM = 0.6
"""How much farther, times the root of the distance in mm from there. In phantoms of two simulators 99 % of a
surface's errors stayed below that at every distance: 2.9 mm at 5 to 10 mm, 4.9 at 45 to 70."""
SUPPORTED = 0.6
"""Share of a cell and its neighbours that are heard; by chance it is about half."""
LEAST_PATCH_CELLS = 15
"""Of support that hangs together, some 5 cm2: smaller patches come by chance."""
REACH_MM = 20.0
"""From support, beyond which there is no fissure to be near to."""
CLEAR_MM = 4.0
"""Over the oblique fissure, below which no horizontal one is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fissure:
    """A surface over the rows and columns of a frame."""

    frame: Frame
    heights: Floats
    """(rows, columns) in heights of the frame."""
    doubt_mm: Floats
    """How far it may be wrong there."""
    seen: Mask
    """Where it crosses lung, at most `REACH_MM` from what supports it."""

    def over_mm(self, points_mm: Floats) -> Floats:
        """How far (N, 3) points lie above it, negative below, across the surface."""
        cells = self.frame.to_cells(points_mm)
        off = (cells[:, 2] - self._at(self.heights, cells)) * self.frame.step_mm[2]
        return np.asarray(off * self._at(self._level(), cells))

    def doubt_at_mm(self, points_mm: Floats) -> Floats:
        """How far it may be wrong under (N, 3) points."""
        return self._at(self.doubt_mm, self.frame.to_cells(points_mm))

    def above(self, zy_mm: tuple[Floats, Floats], x_mm: Floats) -> Mask:
        """Whether places lie above it: z and y (R, S), x (C,) in mm along the lattice; (R, S, C)."""
        return self.over_places_mm(zy_mm, x_mm) > 0

    def over_places_mm(self, zy_mm: tuple[Floats, Floats], x_mm: Floats) -> Floats32:
        """How far places lie above it along its columns: z and y (R, S), x (C,) in mm along the lattice."""
        frame = self.frame
        row, height = (self._count(zy_mm, k) for k in (0, 2))
        column = (x_mm - frame.first_mm[2]) / frame.steps[1, 2]
        low, rest = _between(column, self.heights.shape[1])
        table = (self.heights[:, low] * (1 - rest) + self.heights[:, low + 1] * rest).astype(np.float32)
        low, rest = _between(row, self.heights.shape[0])
        share = rest.astype(np.float32)[..., None]
        surface = table[low] * (1 - share) + table[low + 1] * share
        over: Floats32 = (height.astype(np.float32)[..., None] - surface) * np.float32(frame.step_mm[2])
        return over

    def _count(self, zy_mm: tuple[Floats, Floats], which: int) -> Floats:
        """Rows (0) or heights (2), fractional, of places."""
        step, first = self.frame.steps[which], self.frame.first_mm
        off = sum((place - first[k]) * step[k] for k, place in enumerate(zy_mm))
        return np.asarray(off / (step @ step))

    def samples(self) -> tuple[Floats, Floats]:
        """Points (N, 3) on what is seen of it, and its unit normals there, upwards."""
        rows, columns = np.nonzero(self.seen)
        cells = np.stack([rows, columns, self.heights[rows, columns]], axis=1)
        slopes = [slope[rows, columns] for slope in self._slopes()]
        steps = self.frame.steps / self.frame.step_mm[:, None]
        normals = steps[2] - slopes[0][:, None] * steps[0] - slopes[1][:, None] * steps[1]
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return self.frame.to_points(cells), normals @ self.frame.axes

    def _slopes(self) -> tuple[Floats, Floats]:
        """Rise over run along rows and columns."""
        down, across = np.gradient(self.heights)
        steps = self.frame.step_mm
        return down * steps[2] / steps[0], across * steps[2] / steps[1]

    def _level(self) -> Floats:
        """The cosine between the columns and the surface's normal."""
        down, across = self._slopes()
        return np.asarray(1 / np.sqrt(1 + down**2 + across**2))

    def _at(self, table: Floats, cells: Floats) -> Floats:
        """A table of rows and columns between its cells; beyond the outermost ones they repeat."""
        (row, down), (column, across) = (_between(cells[:, k], table.shape[k]) for k in (0, 1))
        upper = table[row, column] * (1 - across) + table[row, column + 1] * across
        lower = table[row + 1, column] * (1 - across) + table[row + 1, column + 1] * across
        return np.asarray(upper * (1 - down) + lower * down)


def oblique(planes: Planes, grid: Grid, lungs: LungMask, label: int) -> Fissure | None:
    """The oblique fissure of one lung, from planes (y, x) at 1 mm on `grid`; None where none is found."""
    seen = columns(planes, grid, lungs, label, OBLIQUE)
    return None if seen is None else _fissure(seen)


def horizontal(planes: Planes, grid: Grid, lungs: LungMask, below: Fissure) -> Fissure | None:
    """The horizontal fissure in what lies above the right lung's oblique one; None where none is found."""
    seen = columns(planes, grid, lungs, RIGHT, LEVEL)
    if seen is None:
        return None
    frame, shape = seen.frame, seen.hu.shape
    row, column, height = (np.arange(n) for n in shape)
    zy = [
        frame.first_mm[k] + row[:, None] * frame.steps[0, k] + height[None, :] * frame.steps[2, k]
        for k in (0, 1)
    ]
    over = below.over_places_mm((zy[0], zy[1]), frame.first_mm[2] + column * frame.steps[1, 2])
    return _fissure(replace(seen, lung=seen.lung & (over.transpose(0, 2, 1) > CLEAR_MM)))


def _fissure(seen: Columns) -> Fissure | None:
    """The surface that stands out most, if it stands out enough."""
    if not seen.lung.any():
        return None
    strong = ridges(seen)
    if strong is None:
        return None
    found = relief(strong)
    if not stands_out(found):
        return None
    far_mm = _from_support(found, strong.frame)
    return Fissure(
        frame=strong.frame,
        heights=found.heights,
        doubt_mm=DOUBT_MM + DOUBT_PER_ROOT_MM * np.sqrt(far_mm),
        seen=found.crossed & (far_mm <= REACH_MM),
    )


def stands_out(found: Relief) -> bool:
    """Whether a surface is a fissure."""
    cells = max(int(np.count_nonzero(found.crossed)), 1)
    return found.contrast >= LEAST_CONTRAST * max(sqrt(FEW_CELLS / cells), 1.0)


def _from_support(found: Relief, frame: Frame) -> Floats:
    """How far each cell is from one that is supported, with its neighbours, in mm."""
    heard = ndimage.uniform_filter((found.support > HEARD).astype(float), 3, mode="constant")
    there = ndimage.uniform_filter(found.crossed.astype(float), 3, mode="constant")
    supported = found.crossed & (heard > SUPPORTED * there)
    patches, _ = ndimage.label(supported)
    supported &= np.bincount(patches.ravel())[patches] >= LEAST_PATCH_CELLS
    if not supported.any():
        return np.full(supported.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~supported, sampling=frame.step_mm[:2]))


def _between(places: Floats, count: int) -> tuple[NDArray[np.intp], Floats]:
    """The cell before each place and how far on it is; beyond the outermost ones they repeat."""
    held = np.clip(places, 0, count - 1)
    low = np.minimum(held.astype(np.intp), count - 2)
    return low, held - low
