"""Where the lungs are, at 2 mm: air inside the body, less the airways, left told from right.

The mask is closed and filled, so that nodules, vessels, masses within the lung and nodules on the
pleura lie inside it. It gates candidates and gives litres; it is no segmentation for volumetry.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.geometry import Floats, Grid
from millet.core.nodule import Side
from millet.core.resample import lattice_box, lattice_grid, resample
from millet.core.volume import Volume, canonical

Mask = NDArray[np.bool_]

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
CLOSING_MM = 12.0
_LITRE_MM3 = 1e6
_VOXEL_ML = GRID_MM**3 / 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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

    def at(self, points_mm: Floats) -> NDArray[np.uint8]:
        """The labels at (N, 3) points; 0 outside the volume."""
        voxels = np.rint(self.grid.to_index_array(points_mm)).astype(int)
        inside = ((voxels >= 0) & (voxels < np.asarray(self.grid.shape))).all(axis=1)
        labels = np.zeros(len(voxels), np.uint8)
        labels[inside] = self.label[tuple(voxels[inside].T)]
        return labels

    def on(self, grid: Grid) -> NDArray[np.uint8]:
        """The labels of the nearest voxels on another canonical grid; 0 outside the volume."""
        corner, step = grid.to_patient_array(np.asarray([(0, 0, 0), (1, 1, 1)], float))
        first, second = self.grid.to_index_array(np.asarray([corner, step]))
        where = [
            np.rint(start + np.arange(count) * (after - start)).astype(int)
            for start, after, count in zip(first, second, grid.shape, strict=True)
        ]
        ends = self.grid.shape
        labels = self.label[np.ix_(*(np.clip(w, 0, n - 1) for w, n in zip(where, ends, strict=True)))]
        for axis, (w, n) in enumerate(zip(where, ends, strict=True)):
            np.moveaxis(labels, axis, 0)[(w < 0) | (w >= n)] = 0
        return labels

    def side(self, point_mm: Floats) -> Side:
        """The nearer lung of one point (3,)."""
        label = int(self.at(np.asarray([point_mm]))[0])
        if not label:
            points = self.grid.to_patient_array(np.argwhere(self.label).astype(float))
            nearest = int(np.argmin(((points - point_mm) ** 2).sum(axis=1)))
            label = int(self.at(points[nearest : nearest + 1])[0])
        return Side.RIGHT if label == 1 else Side.LEFT


def lungs(volume: Volume) -> LungMask:
    """Find both lungs of a CT volume in any orientation."""
    source = canonical(volume)
    spacing = (GRID_MM, GRID_MM, GRID_MM)
    grid = lattice_grid(source.grid, spacing, lattice_box(source.grid, spacing))
    return lungs_of(np.asarray(resample(source, grid).hu, np.float32), grid)


def lungs_of(hu: NDArray[np.float32], grid: Grid) -> LungMask:
    """Find both lungs on the canonical 2 mm grid."""
    air = _lung_air(hu)
    split = _sides(_without_airways(hu, air), hu) if air.any() else np.zeros(air.shape, np.uint8)
    filled = _filled(split)
    litre = grid.voxel_mm3 / _LITRE_MM3
    litres = Lungs(right_l=float((split == 1).sum() * litre), left_l=float((split == 2).sum() * litre))
    ends = [float((split[z] > 0).sum()) * GRID_MM**2 for z in (0, -1)]
    return LungMask(
        label=filled,
        hu=hu,
        grid=grid,
        litres=litres,
        cut_at_top=ends[1] > 2000.0,
        cut_at_base=ends[0] > 2000.0,
    )


def _lung_air(hu: NDArray[np.floating]) -> Mask:
    """Air spaces that do not reach the sides of the field of view, are large and hold tissue."""
    components = cc3d.connected_components(hu < AIR_BELOW_HU, connectivity=6)
    rim = (components[:, [0, -1], :], components[:, :, [0, -1]])
    outside = np.unique(np.concatenate([part.ravel() for part in rim]))
    sizes = np.bincount(components.ravel())
    means = np.bincount(components.ravel(), weights=hu.ravel()) / np.maximum(sizes, 1)
    keep = (sizes * _VOXEL_ML >= LEAST_LUNG_ML) & (means > LEAST_DENSITY_HU)
    keep[outside] = False
    keep[0] = False
    mask: Mask = keep[components]
    return mask


def _without_airways(hu: NDArray[np.floating], air: Mask) -> Mask:
    """Take away the trachea and what of the main bronchi is as empty as it."""
    seed = _trachea_seed(hu, air)
    if seed is None:
        return air
    for bar in (LUMEN_BELOW_HU, LUMEN_BELOW_HU - 30, LUMEN_BELOW_HU - 60):
        components = cc3d.connected_components(air & (hu < bar), connectivity=6)
        label = components[seed]
        lumen = components == label
        if label and lumen.sum() * _VOXEL_ML < MOST_LUMEN_ML:
            rest: Mask = air & ~ndimage.binary_dilation(lumen, iterations=2)
            return rest
    return air


def _trachea_seed(hu: NDArray[np.floating], air: Mask) -> tuple[int, int, int] | None:
    """The emptiest round air space near the midline, looked for from the top of the air down."""
    middle = float(np.argwhere(air.any(axis=(0, 1))).mean())
    for z in range(air.shape[0] - 1, air.shape[0] // 3, -1):
        components = cc3d.connected_components(air[z] & (hu[z] < LUMEN_BELOW_HU), connectivity=4)
        for label in range(1, int(components.max()) + 1):
            rows, columns = np.nonzero(components == label)
            area = len(rows) * GRID_MM**2
            box = np.ptp(rows) + 1, np.ptp(columns) + 1
            round_ = max(box) <= 2 * min(box) and len(rows) > 0.5 * box[0] * box[1]
            if 60 < area < 700 and round_ and abs(columns.mean() - middle) * GRID_MM < 40:
                nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
                return z, int(rows[nearest]), int(columns[nearest])
    return None


def _sides(air: Mask, hu: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Label air 1 (right) and 2 (left): erode until it falls in two side by side, then grow it back.

    A lung that stands alone falls in two as well, an upper part and a lower one: it keeps one label.
    """
    for erosions in range(7):
        core = ndimage.binary_erosion(air, iterations=erosions) if erosions else air
        components = cc3d.connected_components(core, connectivity=6)
        sizes = np.bincount(components.ravel())
        sizes[0] = 0
        first, second = (int(v) for v in np.argsort(-sizes)[:2]) if len(sizes) > 2 else (1, 0)
        if second and sizes[second] > 0.1 * sizes[first] and _side_by_side(components, first, second):
            seeds = np.where(components == first, 1, 0) + np.where(components == second, 2, 0)
            return _grow(air, seeds.astype(np.uint8))
    body = np.nonzero((hu > AIR_BELOW_HU).any(axis=(0, 1)))[0]
    label = 2 if np.nonzero(air)[2].mean() > (body[0] + body[-1]) / 2 else 1
    return air.astype(np.uint8) * np.uint8(label)


def _side_by_side(components: NDArray[np.integer], first: int, second: int) -> bool:
    """Whether the middle of neither lies where the other's columns are."""
    one, other = (np.nonzero(components == label)[2] for label in (first, second))
    return _beyond(float(one.mean()), other) and _beyond(float(other.mean()), one)


def _beyond(column: float, columns: NDArray[np.integer]) -> bool:
    low, high = np.percentile(columns, (10, 90))
    return not low <= column <= high


def _grow(air: Mask, seeds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each voxel of air the label of the nearer seed; 1 is the one farther right (smaller x)."""
    columns = [float(np.nonzero(seeds == label)[2].mean()) for label in (1, 2)]
    if columns[0] > columns[1]:
        seeds = np.where(seeds == 1, 2, np.where(seeds == 2, 1, 0)).astype(np.uint8)
    _, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    grown: NDArray[np.uint8] = np.where(air, seeds[tuple(nearest)], 0).astype(np.uint8)
    return grown


def _filled(split: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Close each lung over what indents it and fill what it surrounds."""
    filled = np.zeros_like(split)
    for label in (1, 2):
        lung = split == label
        if lung.any():
            filled[_close_and_fill(lung) & (filled == 0)] = label
    filled[split > 0] = split[split > 0]
    return filled


def _close_and_fill(lung: Mask) -> Mask:
    """Close by `CLOSING_MM` in three dimensions, then fill holes in space and in each axial plane."""
    margin = int(CLOSING_MM / GRID_MM) + 1
    box = ndimage.find_objects(lung.astype(np.uint8))[0]
    part = np.pad(lung[box], margin)
    near = ndimage.distance_transform_edt(~part) * GRID_MM <= CLOSING_MM
    part = ndimage.distance_transform_edt(near) * GRID_MM > CLOSING_MM
    part = ndimage.binary_fill_holes(part)
    for plane in part:
        plane[:] = ndimage.binary_fill_holes(plane)
    inner = (slice(margin, -margin),) * 3
    result = np.zeros_like(lung)
    result[box] = part[inner]
    return result | lung
