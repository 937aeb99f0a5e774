"""Whether a place where a nodule was still shows something: what was missed is not gone.

A detector misses a few of a hundred nodules, and each would count as gone. So before one is called gone
its place is looked at: the brightest small spot near it, against the lung around, unless that is as bright
on two opposite sides as a vessel is. Not every vessel is told: that errs on the side of saying less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Floats
from millet.core.volume import Volume

CONTRAST_HU = 150.0
"""Above the lung around: a solid nodule of 1.5 mm on 1 mm slices has more, noise and texture less."""
CLEAR_MM = 3.0
"""From the nodule's edge to what is taken for the lung around it."""


TUBE = 0.4
"""A vessel is at least this share as bright on two opposite sides of its brightest place."""
BESIDE_MM = 1.2
"""From the nodule's edge to where that is looked for."""


def shows(volume: Volume, places_mm: Floats, diameters_mm: Floats, slack_mm: Floats) -> NDArray[np.bool_]:
    """(N,) whether the images show a spot at (N, 3) places, of nodules that were (N,) mm wide.

    It may lie up to (N,) `slack_mm` from where it is expected.
    """
    spots = places_mm[:, None] + slack_mm[:, None, None] * _ball()
    near = _mean(volume, spots)
    best = near.argmax(axis=1)
    rows = np.arange(len(places_mm))
    radius = diameters_mm[:, None, None] / 2
    around = np.quantile(
        _sampled(volume, places_mm[:, None] + (radius + CLEAR_MM) * _directions()), 0.25, axis=1
    )
    contrast = near[rows, best] - around
    aside = (radius + BESIDE_MM) * _directions()
    here = spots[rows, best][:, None]
    both = np.minimum(_mean(volume, here + aside), _mean(volume, here - aside)) - around[:, None]
    return np.asarray((contrast > CONTRAST_HU) & (both.max(axis=1) < TUBE * contrast))


def _mean(volume: Volume, points_mm: Floats) -> Floats:
    """HU at (..., 3) points, each averaged with six more around it."""
    return np.asarray(_sampled(volume, points_mm[..., None, :] + _STAR).mean(axis=-1))


_STAR = 0.6 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
"""(7, 3) mm: what is averaged, against noise."""


def _ball() -> Floats:
    """(33, 3): a lattice within the unit ball."""
    line = np.linspace(-1, 1, 5)
    lattice = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(lattice[np.linalg.norm(lattice, axis=1) <= 1 + 1e-6])


def _directions() -> Floats:
    """(26, 3) of unit length, to the neighbours of a voxel."""
    steps = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ways = steps[np.abs(steps).sum(axis=1) > 0]
    return np.asarray(ways / np.linalg.norm(ways, axis=1, keepdims=True))


def _sampled(volume: Volume, points_mm: Floats) -> Floats:
    """HU at (..., 3) points, linearly interpolated."""
    index = volume.grid.to_index_array(points_mm.reshape(-1, 3)).T
    found = ndimage.map_coordinates(volume.hu, index, order=1, mode="nearest", output=np.float32)
    return np.asarray(found.reshape(points_mm.shape[:-1]), float)
