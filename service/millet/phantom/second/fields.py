"""Smooth functions of space on a coarse grid: lofts through contours, tubes, random fields.

A level is a distance in mm of first order, negative inside, float32 on the grid of its `Frame`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from millet.core.geometry import Floats, Grid

Field = NDArray[np.float32]
Path3 = Sequence[tuple[float, float, float]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A grid along the body axes and the anatomical place (mm) of each of its voxels.

    `x`, `y`, `z` are what the patient's coordinates over `scale` become when the chest is bent.
    """

    grid: Grid
    scale: float
    x: Field
    y: Field
    z: Field

    def sample(self, field: Field, points_mm: Floats) -> Floats:
        """A field at (N, 3) patient points (x, y, z) in mm, linearly interpolated."""
        index = self.grid.to_index_array(points_mm).T
        return np.asarray(ndimage.map_coordinates(field, index, order=1, mode="nearest"), float)

    def to_patient(self, anatomical_mm: Floats) -> Floats:
        """Where (N, 3) anatomical places lie in the patient: the bend undone by fixed-point steps."""
        points = np.asarray(anatomical_mm, float) * self.scale
        for _ in range(6):
            seen = np.stack([self.sample(field, points) for field in (self.x, self.y, self.z)], axis=1)
            points = points + 0.8 * self.scale * (anatomical_mm - seen)
        return points

    def points(self, where: NDArray[np.bool_]) -> Floats:
        """The (N, 3) patient points of the voxels of a mask."""
        return self.grid.to_patient_array(np.argwhere(where).astype(float))


def frame(grid: Grid, scale: float, rng: np.random.Generator, *, bend_mm: float) -> Frame:
    """Stretch the axes by a few per cent and bend them by spline noise of `bend_mm` (standard deviation)."""
    lines = []
    for axis, size in ((0, grid.shape[0]), (1, grid.shape[1]), (2, grid.shape[2])):
        start = grid.origin_mm[2 - axis]
        stretch = scale * rng.uniform(0.95, 1.05)
        lines.append(((start + grid.spacing_mm[axis] * np.arange(size)) / stretch).astype(np.float32))
    straight = np.meshgrid(*lines, indexing="ij")
    z, y, x = (axis + bend_mm * noise(grid, 75.0 * scale, rng) for axis in straight)
    return Frame(grid=grid, scale=scale, x=x, y=y, z=z)


def noise(grid: Grid, knot_mm: float, rng: np.random.Generator) -> Field:
    """Gaussian noise on a lattice of `knot_mm`, carried to the grid by cubic B-splines; about unit size."""
    size = [max(int(n * s / knot_mm) + 4, 5) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    field = rng.standard_normal(size).astype(np.float32) * 1.6
    for axis in range(3):
        field = _spline(field, axis, grid.shape[axis], grid.spacing_mm[axis] / knot_mm)
    return field


def _spline(field: Field, axis: int, count: int, step: float) -> Field:
    """Uniform cubic B-spline along one axis: `count` places, `step` knots apart."""
    at = 1.0 + step * np.arange(count)
    first = np.minimum(np.floor(at).astype(int), field.shape[axis] - 3)
    t = (at - first).astype(np.float32)
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    shape = [-1 if k == axis else 1 for k in range(3)]
    total = np.float32(0)
    for k, weight in enumerate(weights):
        total = total + np.take(field, first - 1 + k, axis=axis) * (weight / 6).reshape(shape)
    return np.asarray(total, np.float32)


def loft(f: Frame, heights_mm: Sequence[float], centres_y_mm: Sequence[float], radii_mm: Floats) -> Field:
    """The level of a body through closed contours.

    `radii_mm` is (heights, angles), the angles even from the left (x) over the back (y); between them
    and between the heights it is a cubic spline. Above and below the outermost contours go on.
    """
    table = _fine_table(np.asarray(heights_mm, float), radii_mm)
    slope_t = np.gradient(table, 2 * np.pi / (table.shape[1] - 1), axis=1) / table
    slope_z = np.gradient(table, axis=0)
    steep = np.sqrt(1 + slope_t**2 + slope_z**2)
    y = f.y - np.interp(f.z, heights_mm, centres_y_mm).astype(np.float32)
    turn = np.mod(np.arctan2(y, f.x), np.float32(2 * np.pi)) * np.float32((table.shape[1] - 1) / (2 * np.pi))
    row = np.clip(f.z - np.float32(heights_mm[0]), 0, table.shape[0] - 1)
    radius, slow = (
        ndimage.map_coordinates(t.astype(np.float32), [row, turn], order=1, mode="nearest")
        for t in (table, steep)
    )
    return np.asarray((np.hypot(f.x, y) - radius) / slow, np.float32)


def _fine_table(heights_mm: Floats, radii_mm: Floats) -> Floats:
    """The contours at each mm of height and each degree, the last column repeating the first."""
    angles = np.arange(361) / 360 * radii_mm.shape[1]
    z = np.arange(heights_mm[0], heights_mm[-1] + 1)
    rows = np.interp(z, heights_mm, np.arange(len(heights_mm)))
    where = np.meshgrid(rows + 3, angles, indexing="ij")
    padded = np.pad(radii_mm, ((3, 3), (0, 0)), mode="edge")
    return np.asarray(ndimage.map_coordinates(padded, where, order=3, mode="grid-wrap"))


def tube(f: Frame, path: Path3, radii_mm: Sequence[float], *, flat: float = 1.0) -> Field:
    """The level of a tube along a smooth path of anatomical points; `flat` stretches it along z.

    Known within 30 mm of the path; farther off it is at least that.
    """
    line, radius = curve(path, radii_mm)
    low = line.min(axis=0) - radius.max() - 30
    high = line.max(axis=0) + radius.max() + 30
    near = (f.x > low[0]) & (f.x < high[0]) & (f.y > low[1]) & (f.y < high[1])
    near &= (f.z > low[2]) & (f.z < high[2])
    squeeze = np.asarray([1, 1, 1 / flat])
    places = np.stack([f.x[near], f.y[near], f.z[near]], axis=1) * squeeze
    far, which = cKDTree(line * squeeze).query(places, distance_upper_bound=radius.max() + 30)
    level = np.full(f.x.shape, 30.0, np.float32)
    found = np.where(np.isfinite(far), far - np.append(radius, 0.0)[which], 30.0)
    level[near] = np.minimum(found, 30.0)
    return level


def curve(path: Path3, radii_mm: Sequence[float], step_mm: float = 1.5) -> tuple[Floats, Floats]:
    """Points every `step_mm` along a Catmull-Rom spline through `path`, with their radii."""
    knots = np.asarray(path, float)
    knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    parts, sizes = [], []
    radii = np.broadcast_to(np.asarray(radii_mm, float), len(path))
    for k in range(len(path) - 1):
        a, b, c, d = knots[k : k + 4]
        count = max(int(np.linalg.norm(c - b) / step_mm), 1)
        t = (np.arange(count) / count)[:, None]
        parts.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
        sizes.append(radii[k] + t[:, 0] * (radii[k + 1] - radii[k]))
    return np.concatenate([*parts, knots[-2:-1]]), np.append(np.concatenate(sizes), radii[-1])


def ellipsoid(
    f: Frame,
    centre: tuple[float, float, float],
    halfs: tuple[float, float, float],
    axes: Floats | None = None,
) -> Field:
    """The level of an ellipsoid with half axes along the rows of `axes` (the body's by default)."""
    turn = np.eye(3) if axes is None else axes
    off = (f.x - centre[0], f.y - centre[1], f.z - centre[2])
    own = [sum(np.float32(row[k]) * off[k] for k in range(3)) for row in turn]
    radius = np.sqrt(sum((p / np.float32(h)) ** 2 for p, h in zip(own, halfs, strict=True)))
    slope = np.sqrt(sum((p / np.float32(h * h)) ** 2 for p, h in zip(own, halfs, strict=True)))
    return np.asarray(radius * (radius - 1) / np.maximum(slope, 1e-4), np.float32)


def blend(levels: Sequence[Field], soft_mm: float) -> Field:
    """The union of bodies, its creases filled over about `soft_mm` (log-sum-exp)."""
    least = levels[0]
    for level in levels[1:]:
        least = np.minimum(least, level)
    total = np.zeros_like(least)
    for level in levels:
        total += np.exp(np.maximum((least - level) / np.float32(soft_mm), -20))
    return np.asarray(least - np.float32(soft_mm) * np.log(total), np.float32)


def common(levels: Sequence[Field], soft_mm: float) -> Field:
    """What lies in all bodies, its edges rounded."""
    return -blend([-level for level in levels], soft_mm)
