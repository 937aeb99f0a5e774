"""Where the lungs are, at 2 mm: air inside the body, less the airways, left told from right.

The mask is closed and filled, so that nodules, vessels, masses within the lung and nodules on the
pleura lie inside it. It gates candidates and gives litres; it is no segmentation for volumetry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cc3d
import numpy as np
from numpy.typing import NDArray

from millet.core.analysis import Lungs
from millet.core.bits import Bits, Mask
from millet.core.components import Components, extent
from millet.core.geometry import Floats, Grid
from millet.core.nodule import Side
from millet.core.resample import lattice_box, lattice_grid, resample
from millet.core.sides import told_apart
from millet.core.volume import Volume, canonical

GRID_MM = 2.0
LUNG_HU = -850.0
"""Taken for inflated lung where none can be measured."""
AIR_BELOW_HU = -400.0
LUMEN_BELOW_HU = -900.0
LEAST_LUNG_ML = 100.0
"""A smaller air space is no lung: bowel gas, a sinus, an infant's lung is above it from birth on."""
LEAST_DENSITY_HU = -985.0
"""Gas without tissue (stomach, bowel, room) has a mean below this; the worst emphysema does not."""
MOST_LUMEN_ML = 140.0
LUMEN_MM2 = (60.0, 700.0)
"""Of a trachea across."""
CLOSING_MM = 12.0
_APEX_MM2 = 2000.0
_LITRE_MM3 = 1e6
_VOXEL_ML = GRID_MM**3 / 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class LungMask:
    """Labels 0 outside, 1 right, 2 left, on a canonical 2 mm grid; litres of the air-filled part."""

    label: NDArray[np.uint8]
    hu: NDArray[np.float32]
    """What the mask was made from, on the same grid."""
    grid: Grid
    litres: Lungs
    cut_at_top: bool
    """Lung reaches the uppermost slice over more than an apex: the volume ends too low."""
    cut_at_base: bool

    @property
    def found(self) -> bool:
        """Whether there is any lung."""
        return self.litres.total_l > 0

    @cached_property
    def box(self) -> tuple[slice, slice, slice] | None:
        """The smallest box that holds both lungs; None where there is none."""
        return extent(self.label > 0)

    def at(self, points_mm: Floats) -> NDArray[np.uint8]:
        """The labels at (N, 3) points; 0 outside the volume."""
        voxels = np.rint(self.grid.to_index_array(points_mm)).astype(int)
        inside = ((voxels >= 0) & (voxels < np.asarray(self.grid.shape))).all(axis=1)
        labels = np.zeros(len(voxels), np.uint8)
        labels[inside] = self.label[tuple(voxels[inside].T)]
        return labels

    def on(self, grid: Grid) -> NDArray[np.uint8]:
        """The labels of the nearest voxels on another canonical grid; 0 outside the volume."""
        made = np.zeros(grid.shape, np.uint8)
        place, nearest = zip(*(self._nearest_along(grid, axis) for axis in range(3)), strict=True)
        labels = self.label
        for axis in sorted((2, 1, 0), key=lambda axis: len(nearest[axis]) > labels.shape[axis]):
            labels = labels.take(nearest[axis], axis=axis)
        made[place] = labels
        return made

    def inside(self, grid: Grid) -> Sequence[Mask]:
        """Where lung is on another canonical grid, plane by plane; neighbours that are equal may be one."""
        (z, slices), (y, rows), (x, columns) = (self._nearest_along(grid, axis) for axis in range(3))
        found = [np.zeros(grid.shape[1:], bool)] * grid.shape[0]
        made: dict[int, Mask] = {}
        for at, number in enumerate(slices.tolist(), start=z.start):
            if number not in made:
                made[number] = np.zeros(grid.shape[1:], bool)
                made[number][y, x] = self.label[number].take(rows, axis=0).take(columns, axis=1) > 0
            found[at] = made[number]
        return found

    def _nearest_along(self, grid: Grid, axis: int) -> tuple[slice, NDArray[np.int64]]:
        """Which positions of a grid along an axis have lung near them, and the nearest of ours to each."""
        corner, step = grid.to_patient_array(np.asarray([(0, 0, 0), (1, 1, 1)], float))
        first, second = self.grid.to_index_array(np.asarray([corner, step]))[:, axis]
        nearest = np.rint(first + np.arange(grid.shape[axis]) * (second - first)).astype(np.int64)
        held = self.box[axis] if self.box else slice(0, 0)
        within = np.flatnonzero((held.start <= nearest) & (nearest < held.stop))
        place = slice(int(within[0]), int(within[-1]) + 1) if len(within) else slice(0, 0)
        return place, nearest[place]

    def side(self, point_mm: Floats) -> Side:
        """The nearer lung of one point (3,)."""
        label = int(self.at(np.asarray([point_mm]))[0]) or self._nearest(point_mm)
        return Side.RIGHT if label == 1 else Side.LEFT

    def _nearest(self, point_mm: Floats) -> int:
        """The label of the voxel of lung nearest to a point outside, looked for in growing boxes."""
        place, ends = self.grid.to_index_array(np.asarray([point_mm]))[0], np.asarray(self.grid.shape)
        reach = 4.0
        while True:
            low, high = np.clip((np.floor(place - reach), np.ceil(place + reach) + 1), 0, ends).astype(int)
            box = self.label[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            voxels = np.argwhere(box)
            squares = ((self.grid.to_patient_array((voxels + low).astype(float)) - point_mm) ** 2).sum(axis=1)
            whole = bool((high - low == ends).all())
            if len(voxels) and (whole or squares.min() <= (reach * GRID_MM) ** 2):
                return int(box[tuple(voxels[int(np.argmin(squares))])])
            if whole:
                raise ValueError("where there is no lung nothing has a side")
            reach *= 2


def lungs(volume: Volume) -> LungMask:
    """Find both lungs of a CT volume in any orientation."""
    source = canonical(volume)
    spacing = (GRID_MM, GRID_MM, GRID_MM)
    grid = lattice_grid(source.grid, spacing, lattice_box(source.grid, spacing))
    return lungs_of(np.asarray(resample(source, grid).hu, np.float32), grid)


def lungs_of(hu: NDArray[np.float32], grid: Grid) -> LungMask:
    """Find both lungs in HU (z, y, x) that lie on the lattice of `GRID_MM` already, in canonical order."""
    if hu.shape != grid.shape or grid.spacing_mm != (GRID_MM, GRID_MM, GRID_MM):
        raise ValueError(f"voxels {hu.shape} are not those of a grid {grid.shape} of {grid.spacing_mm} mm")
    split, label = np.zeros(hu.shape, np.uint8), np.zeros(hu.shape, np.uint8)
    air = _lung_air(hu)
    if air.any():
        air = _without_airways(hu, air)
    box = extent(air)
    if box is not None:
        lung = np.ascontiguousarray(air[box])
        sides = told_apart(lung)
        split[box] = _alone(lung, _middle(hu) - box[2].start) if sides is None else sides
        label[box] = _filled(split[box])
    litre = grid.voxel_mm3 / _LITRE_MM3
    right, left = (np.count_nonzero(split == side) * litre for side in (1, 2))
    base, top = (float(np.count_nonzero(split[z])) * GRID_MM**2 > _APEX_MM2 for z in (0, -1))
    litres = Lungs(right_l=float(right), left_l=float(left))
    return LungMask(label=label, hu=hu, grid=grid, litres=litres, cut_at_top=top, cut_at_base=base)


def _lung_air(hu: NDArray[np.float32]) -> Mask:
    """Air spaces that do not reach the sides of the field of view, are large and hold tissue."""
    spaces = Components.of(hu < AIR_BELOW_HU, 6)
    keep = spaces.sizes() * _VOXEL_ML >= LEAST_LUNG_ML
    for rim in (spaces.labels[:, [0, -1], :], spaces.labels[:, :, [0, -1]]):
        keep[rim.ravel()] = False
    for label in np.flatnonzero(keep):
        keep[label] = hu[spaces.labels == label].mean(dtype=float) > LEAST_DENSITY_HU
    return spaces.those(keep)


def _alone(air: Mask, middle: float) -> NDArray[np.uint8]:
    """The one lung that there is: of the side of the body that its voxels lie on in the mean."""
    columns = np.count_nonzero(air, axis=(0, 1))
    mean = float((columns * np.arange(len(columns))).sum() / columns.sum())
    return air.astype(np.uint8) * np.uint8(2 if mean > middle else 1)


def _middle(hu: NDArray[np.float32]) -> float:
    """The middle of the body along x, in voxels."""
    body = np.flatnonzero((hu > AIR_BELOW_HU).any(axis=(0, 1)))
    return float(body[0] + body[-1]) / 2


def _without_airways(hu: NDArray[np.float32], air: Mask) -> Mask:
    """Take away the trachea and what of the main bronchi is as empty as it."""
    seed = _trachea_seed(hu, air)
    if seed is None:
        return air
    box = extent(air) or (slice(None),) * 3
    low = [side.start for side in box]
    at = (seed[0] - low[0], seed[1] - low[1], seed[2] - low[2])
    near = hu[box]
    for bar in (LUMEN_BELOW_HU, LUMEN_BELOW_HU - 30, LUMEN_BELOW_HU - 60):
        spaces = cc3d.connected_components(air[box] & (near < bar), connectivity=6)
        lumen = spaces == spaces[at]
        if spaces[at] and np.count_nonzero(lumen) * _VOXEL_ML < MOST_LUMEN_ML:
            rest = air.copy()
            rest[box] &= ~Bits.of(lumen, 2).grown(1).grown(1).mask()
            return rest
    return air


def _trachea_seed(hu: NDArray[np.float32], air: Mask) -> tuple[int, int, int] | None:
    """The emptiest round air space near the midline, looked for from the top of the air down."""
    middle = float(np.flatnonzero(air.any(axis=(0, 1))).mean())
    least, most = (area / GRID_MM**2 for area in LUMEN_MM2)
    for z in range(air.shape[0] - 1, air.shape[0] // 3, -1):
        spaces = cc3d.connected_components(air[z] & (hu[z] < LUMEN_BELOW_HU), connectivity=4)
        sizes = np.bincount(spaces.ravel())
        sizes[0] = 0
        for label in np.flatnonzero((least < sizes) & (sizes < most)):
            rows, columns = np.nonzero(spaces == label)
            box = np.ptp(rows) + 1, np.ptp(columns) + 1
            round_ = max(box) <= 2 * min(box) and len(rows) > 0.5 * box[0] * box[1]
            if round_ and abs(columns.mean() - middle) * GRID_MM < 40:
                nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
                return z, int(rows[nearest]), int(columns[nearest])
    return None


def _filled(split: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Close each lung over what indents it and fill what it surrounds in an axial plane."""
    filled = np.zeros_like(split)
    reach = int(CLOSING_MM / GRID_MM)
    for label in (1, 2):
        lung = split == label
        box = extent(lung)
        if box is not None:
            whole = Bits.of(lung[box], reach).grown(reach**2).shrunk(reach**2).filled()
            filled[box][whole.mask() & (filled[box] == 0)] = label
    np.copyto(filled, split, where=split > 0)
    return filled
