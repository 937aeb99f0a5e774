"""Signed distances of simple shapes: negative inside, in mm, float32 on a common grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Grid

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """Coordinates (x, y, z) of every voxel of a grid in anatomical mm, float32."""

    x: Field
    y: Field
    z: Field
    step_mm: tuple[float, float, float]
    """(z, y, x) distance between neighbours."""


def space(grid: Grid, *, scale: float, rng: np.random.Generator, warp_mm: float) -> Space:
    """The grid's own coordinates over `scale`, bent smoothly by up to about `warp_mm`.

    The bend is a sum of a few long waves, so that no two seeds have the same, symmetric chest.
    """
    lines = [_line(grid, axis) / scale for axis in range(3)]
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    bent = [c + warp_mm * _wave(x, y, z, rng) for c in (x, y, z)]
    dz, dy, dx = (s / scale for s in grid.spacing_mm)
    return Space(x=bent[0], y=bent[1], z=bent[2], step_mm=(dz, dy, dx))


def _line(grid: Grid, axis: int) -> Field:
    start = (grid.origin_mm.z, grid.origin_mm.y, grid.origin_mm.x)[axis]
    return (start + grid.spacing_mm[axis] * np.arange(grid.shape[axis])).astype(np.float32)


def _wave(x: Field, y: Field, z: Field, rng: np.random.Generator) -> Field:
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
    for _ in range(4):
        k = rng.normal(size=3).astype(np.float32)
        k *= np.float32(2 * np.pi / rng.uniform(110, 260)) / np.linalg.norm(k)
        total += np.sin(k[0] * x + k[1] * y + k[2] * z + np.float32(rng.uniform(0, 2 * np.pi)))
    return total * np.float32(0.35)


def ellipsoid(s: Space, centre: tuple[float, float, float], halfs: tuple[float, float, float]) -> Field:
    """An ellipsoid; the distance is of first order near the surface."""
    a, b, c = ((v - m) / h for v, m, h in zip((s.x, s.y, s.z), centre, halfs, strict=True))
    radius = np.sqrt(a * a + b * b + c * c)
    slope = np.sqrt((a / halfs[0]) ** 2 + (b / halfs[1]) ** 2 + (c / halfs[2]) ** 2)
    return np.asarray(radius * (radius - 1) / np.maximum(slope, 1e-4), np.float32)


def tube(s: Space, points: list[tuple[float, float, float]], radius_mm: float) -> Field:
    """A tube of one radius along a polyline."""
    p = (s.x, s.y, s.z)
    best: Field | None = None
    for start, end in pairwise(points):
        d = np.subtract(end, start)
        along = sum((v - a) * k for v, a, k in zip(p, start, d, strict=True)) / float(d @ d)
        t = np.clip(along, 0, 1)
        gap = sum((v - a - t * k) ** 2 for v, a, k in zip(p, start, d, strict=True))
        best = gap if best is None else np.minimum(best, gap)
    if best is None:
        raise ValueError("a tube needs two points")
    return np.asarray(np.sqrt(best) - radius_mm, np.float32)


def elliptic_cylinder(s: Space, centre: tuple[float, float], halfs: tuple[float, float]) -> Field:
    """An endless elliptic cylinder along z."""
    a, b = (s.x - centre[0]) / halfs[0], (s.y - centre[1]) / halfs[1]
    radius = np.sqrt(a * a + b * b)
    slope = np.sqrt((a / halfs[0]) ** 2 + (b / halfs[1]) ** 2)
    return np.asarray(radius * (radius - 1) / np.maximum(slope, 1e-4), np.float32)


def distance(f: Field, s: Space) -> Field:
    """Turn an implicit function into a distance of first order: f over its own slope."""
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(f, *s.step_mm)))
    return np.asarray(f / np.maximum(slope, 0.3 / 130), np.float32)


def join(*fields: Field, round_mm: float = 0.0) -> Field:
    """The union, its inner corners rounded (polynomial smooth minimum, Quilez 2013)."""
    total = fields[0]
    for field in fields[1:]:
        low = np.minimum(total, field)
        if round_mm > 0:
            overlap = np.maximum(round_mm - np.abs(total - field), 0) / round_mm
            low = low - overlap * overlap * np.float32(round_mm / 4)
        total = np.asarray(low, np.float32)
    return total


def cut(field: Field, *others: Field, round_mm: float = 0.0) -> Field:
    """What of `field` lies in none of the others."""
    return -join(-field, *others, round_mm=round_mm)
