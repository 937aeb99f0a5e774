"""The outlines of nodules in the slice where each is widest: rays from the middle to where tissue ends.

A ray ends where HU fall below those that the edge of a blurred ball of this size shows (less than half of
the contrast where it is small), so that outlines of small nodules are no larger than the nodules are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.core.levels import Levels, seen_at
from millet.core.voi import Counts, Field, Masks, Vois

FEW_RAYS, MANY_RAYS = 24, 48
FEW_BELOW_MM = 4.0
"""Radii below it need few rays."""
STEP_MM = 0.3
BEYOND_MM = 2.5
"""How far rays go beyond the radius."""
LEAST_MM = 0.3
JUTS = 1.12
"""The tip of a nodule twice as long as wide lies so much further out than what is beside it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """N outlines of A rays each, in the plane of one slice each."""

    slices: Counts
    """(N,) the index of the slice in each block."""
    middle_mm: Floats
    """(N, 2) y and x of the rays' origin from the block's first voxel."""
    radius_mm: Floats
    """(N, A) where each ray ends."""
    rays: Field
    """(N, A, K) HU along the rays, every `STEP_MM`, whosoever they are."""

    @property
    def directions(self) -> Floats:
        """(A, 2) y and x of each ray."""
        turn = 2 * np.pi * np.arange(self.radius_mm.shape[1]) / self.radius_mm.shape[1]
        return np.stack([np.sin(turn), np.cos(turn)], axis=1)

    @property
    def points_mm(self) -> Floats:
        """(N, A, 2) y and x of the ends of the rays."""
        points: Floats = self.middle_mm[:, None] + self.radius_mm[:, :, None] * self.directions
        return points


def edge_hu(level: Levels, tissue_hu: Floats, diameter_mm: Floats, sd_mm: float) -> Floats:
    """What the edge of a blurred ball shows."""
    shown = seen_at(diameter_mm / 2, diameter_mm, sd_mm)
    return level.background + shown * (tissue_hu - level.background)


def outlines(some: Vois, seen: Field, own: Masks, edges_hu: Floats, most_mm: Floats) -> Outlines:
    """Outlines of nodules.

    Args:
        some: their blocks.
        seen: HU, softened where there is too much noise for an edge.
        own: what is the nodule's, by voxels.
        edges_hu: (N,) HU of the edges.
        most_mm: (N,) how long rays may be.
    """
    slices = np.count_nonzero(own, axis=(2, 3)).argmax(axis=1)
    number = np.arange(len(slices))
    flat, mine = seen[number, slices], own[number, slices]
    pixel = np.asarray(some.grid.spacing_mm[1:])
    middle = _centres(mine, some.middle[:, 1:]) * pixel
    count = FEW_RAYS if some.radius_mm.max() < FEW_BELOW_MM else MANY_RAYS
    turn = 2 * np.pi * np.arange(count) / count
    steps = STEP_MM * np.arange(int((some.radius_mm.max() * 1.2 + BEYOND_MM) / STEP_MM) + 1)
    y = (middle[:, 0, None, None] + np.sin(turn)[:, None] * steps) / pixel[0]
    x = (middle[:, 1, None, None] + np.cos(turn)[:, None] * steps) / pixel[1]
    rays = _between(flat, y, x)
    radius = np.minimum(_smooth(_ends(rays, edges_hu)), most_mm[:, None])
    return Outlines(slices=slices, middle_mm=middle, radius_mm=radius, rays=rays)


def _centres(mine: Masks, otherwise: Counts) -> Floats:
    """(N, 2) the middles of masks (N, Y, X), in pixels."""
    count = np.count_nonzero(mine, axis=(1, 2))
    lines = [
        (np.count_nonzero(mine, axis=axis) * np.arange(mine.shape[3 - axis])).sum(axis=1) for axis in (2, 1)
    ]
    centres = np.stack(lines, axis=1) / np.maximum(count, 1)[:, None]
    return np.where(count[:, None] > 0, centres, otherwise)


def _between(flat: Field, y: Floats, x: Floats) -> Field:
    """Values of planes (N, Y, X) at places (N, A, K), linearly between pixels."""
    rows, columns = flat.shape[1:]
    y, x = np.clip(y, 0, rows - 1.001).astype(np.float32), np.clip(x, 0, columns - 1.001).astype(np.float32)
    row, column = y.astype(np.int32), x.astype(np.int32)
    u, v = y - row, x - column
    start = (np.arange(len(flat), dtype=np.int32) * (rows * columns))[:, None, None]
    place = start + row * columns + column
    values = flat.ravel()
    upper = values[place] * (1 - v) + values[place + 1] * v
    lower = values[place + columns] * (1 - v) + values[place + columns + 1] * v
    return np.asarray(upper * (1 - u) + lower * u, np.float32)


def _ends(rays: Field, edges_hu: Floats) -> Floats:
    """(N, A) how far each ray goes until it first falls below the edge, between its steps."""
    edge = np.asarray(edges_hu, np.float32)[:, None, None]
    below = rays < edge
    below[:, :, 0] = False
    below[:, :, -1] = True
    last = below.argmax(axis=2)
    before, after = (np.take_along_axis(rays, (last - k)[:, :, None], 2)[:, :, 0] for k in (1, 0))
    fall = np.maximum(before - after, 1.0)
    part = np.clip((before - edge[:, :, 0]) / fall, 0, 1)
    return np.asarray(np.maximum((last - 1 + part) * STEP_MM, LEAST_MM), float)


def _smooth(radius_mm: Floats) -> Floats:
    """No ray is much longer than the median of an eighth of the turn, which takes vessels off; then 1-2-1."""
    half = radius_mm.shape[1] // 16
    beside = np.stack([np.roll(radius_mm, k, axis=1) for k in range(-half, half + 1)])
    level = np.minimum(radius_mm, np.sort(beside, axis=0)[half] * JUTS)
    return np.asarray((np.roll(level, 1, axis=1) + 2 * level + np.roll(level, -1, axis=1)) / 4)
