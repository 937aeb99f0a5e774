"""Volumes of interest, many at a time: small blocks of one shape around nodules of about one size.

What is done to one is done to all of a batch by one array operation, so that two thousand small nodules
cost about as much as their voxels. Blocks at the volume's border go on with its last voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm
from millet.core.volume import Volume, canonical

Field = NDArray[np.float32]
Masks = NDArray[np.bool_]
Counts = NDArray[np.int64]

LOOSE = 1.35
"""A nodule's own voxels lie within so many of the radii that a detector gave it."""
BLUR_MM, BLUR_SLICES = 1.15, 0.6
"""How far beyond a nodule its blur reaches; in mm, and in slices where these are thick."""
SHELL_MM = 1.5
"""The lung just beyond that gives the background."""
_CLASS = 1.15
"""Diameters of one batch differ by at most so much, as a factor."""
_LEAST_MM = 2.0
_MOST_VOXELS = 250_000
"""Of a batch: what stays in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vois:
    """N blocks: HU and squared distances from the centres (N, Z, Y, X), in canonical order."""

    members: Counts
    """(N,) which nodules these are, in the order they were given."""
    hu: Field
    far2: Field
    """mm2."""
    first: Counts
    """(N, 3) the index of each block's first voxel; may be outside of the grid."""
    middle: Counts
    """(N, 3) the voxel nearest to each centre, within its block."""
    radius_mm: Floats
    grid: Grid
    """Of the whole volume, canonical."""

    def within(self, radius_mm: Floats) -> Masks:
        """Voxels within a distance (N,) of the centres."""
        inside: Masks = self.far2 <= self.over(radius_mm**2)
        return inside

    def over(self, values: Floats) -> Field:
        """One value a block (N,), to be used with arrays of voxels."""
        return np.asarray(values, np.float32)[:, None, None, None]

    def joined(self, masks: Masks) -> Masks:
        """The parts of masks that hang together (by faces) with the voxels in the middle, which are added."""
        count, depth, rows, columns = masks.shape
        apart = np.zeros((count, depth + 1, rows, columns), bool)
        apart[:, :depth] = masks
        at = (np.arange(count), *self.middle.T)
        apart[at] = True
        parts = cc3d.connected_components(apart.reshape(-1, rows, columns), connectivity=6)
        parts = parts.reshape(apart.shape)
        same: Masks = parts[:, :depth] == self_label(parts, at)
        return same

    @property
    def blur_mm(self) -> float:
        """How far beyond a nodule its blur reaches."""
        return max(BLUR_MM, BLUR_SLICES * max(self.grid.spacing_mm))


def self_label(parts: NDArray[np.integer], at: tuple[Counts, ...]) -> NDArray[np.integer]:
    """The label of one voxel of each block, to be compared with all of its own."""
    return np.asarray(parts[at])[:, None, None, None]


def vois(volume: Volume, centres_mm: Sequence[PointMm], diameters_mm: Sequence[float]) -> Iterator[Vois]:
    """Batches of blocks that hold each ball, its blur and the shell of lung around it."""
    source = canonical(volume)
    centres = source.grid.to_index_array(np.asarray(centres_mm, float).reshape(-1, 3))
    diameters = np.asarray(diameters_mm, float)
    size_class = np.ceil(np.log(np.maximum(diameters, _LEAST_MM) / _LEAST_MM) / np.log(_CLASS))
    for wanted in np.unique(size_class):
        alike = np.flatnonzero(size_class == wanted)
        half = _half(source.grid, float(diameters[alike].max()) / 2)
        most = max(_MOST_VOXELS // int(np.prod(2 * half + 1)), 1)
        for start in range(0, len(alike), most):
            members = alike[start : start + most]
            yield _batch(source, members, centres[members], diameters[members] / 2, half)


def _half(grid: Grid, radius_mm: float) -> Counts:
    """How many voxels a block reaches to each side of its middle."""
    blur_mm = max(BLUR_MM, BLUR_SLICES * max(grid.spacing_mm))
    reach_mm = max(radius_mm * LOOSE, radius_mm + blur_mm) + SHELL_MM
    return np.ceil(reach_mm / np.asarray(grid.spacing_mm)).astype(np.int64)


def _batch(volume: Volume, members: Counts, centres: Floats, radius_mm: Floats, half: Counts) -> Vois:
    nearest = np.rint(centres).astype(np.int64)
    first, size = nearest - half, 2 * half + 1
    hu = np.empty((len(members), *size.tolist()), np.float32)
    for block, begin in zip(hu, first.tolist(), strict=True):
        _fill(block, volume.hu, begin)
    squares = [
        ((first[:, k, None] + np.arange(size[k]) - centres[:, k, None]) * volume.grid.spacing_mm[k]) ** 2
        for k in range(3)
    ]
    z, y, x = (np.asarray(square, np.float32) for square in squares)
    return Vois(
        members=members,
        hu=hu,
        far2=(z[:, :, None, None] + y[:, None, :, None]) + x[:, None, None, :],
        first=first,
        middle=np.broadcast_to(half, (len(members), 3)),
        radius_mm=radius_mm,
        grid=volume.grid,
    )


def _fill(block: Field, hu: NDArray[np.float32] | NDArray[np.int16], begin: list[int]) -> None:
    """Copy a block that may reach beyond the volume, whose last voxels then go on."""
    ends = [start + count for start, count in zip(begin, block.shape, strict=True)]
    if min(begin) >= 0 and all(end <= count for end, count in zip(ends, hu.shape, strict=True)):
        block[:] = hu[begin[0] : ends[0], begin[1] : ends[1], begin[2] : ends[2]]
        return
    lines = [
        np.clip(np.arange(start, end), 0, count - 1)
        for start, end, count in zip(begin, ends, hu.shape, strict=True)
    ]
    block[:] = hu[np.ix_(*lines)]


def grown(masks: Masks) -> Masks:
    """Masks (N, Z, Y, X) and the voxels that share a face with them."""
    wide = masks.copy()
    wide[:, 1:] |= masks[:, :-1]
    wide[:, :-1] |= masks[:, 1:]
    wide[:, :, 1:] |= masks[:, :, :-1]
    wide[:, :, :-1] |= masks[:, :, 1:]
    wide[:, :, :, 1:] |= masks[:, :, :, :-1]
    wide[:, :, :, :-1] |= masks[:, :, :, 1:]
    return wide


def softened(values: Field) -> Field:
    """Values (N, Z, Y, X) smoothed by 1-2-1 along each axis."""
    for axis in (1, 2, 3):
        length = values.shape[axis]
        inner, low, high = (
            (slice(None),) * axis + (part,) for part in (slice(None), slice(1, None), slice(length - 1))
        )
        soft = values[inner] * np.float32(0.5)
        soft[low] += np.float32(0.25) * values[high]
        soft[high] += np.float32(0.25) * values[low]
        soft[(slice(None),) * axis + (0,)] += np.float32(0.25) * values[(slice(None),) * axis + (0,)]
        soft[(slice(None),) * axis + (-1,)] += np.float32(0.25) * values[(slice(None),) * axis + (-1,)]
        values = soft
    return values


def sums(values: Field | Masks) -> Floats:
    """(N,) the sum over each block."""
    return np.asarray(values.reshape(len(values), -1).sum(axis=1), float)


def means(values: Field, masks: Masks, otherwise: Floats | float) -> Floats:
    """(N,) the mean over each mask; `otherwise` where it is empty."""
    count = sums(masks)
    total = sums(np.where(masks, values, np.float32(0)))
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)


def ranked(values: Field, masks: Masks, shares: Sequence[float], otherwise: float) -> list[Floats]:
    """(N,) quantiles over each mask, the nearest ranks; `otherwise` where it is empty."""
    ordered = np.where(masks, values, np.float32(np.inf)).reshape(len(values), -1)
    ordered.sort(axis=1)
    count = np.count_nonzero(masks.reshape(len(masks), -1), axis=1)
    rows = np.arange(len(values))
    places = [np.rint(share * np.maximum(count - 1, 0)).astype(np.int64) for share in shares]
    return [np.where(count > 0, ordered[rows, place], otherwise).astype(float) for place in places]
