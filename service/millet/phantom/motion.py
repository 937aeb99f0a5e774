"""How a chest differs from itself some months later: another breath, another posture.

The diaphragm goes down most in the middle of each side and not at all at the apex, the ribs widen, and
long random waves shift all of it by some millimetres. Nothing is affine and nothing is a spline, so that
what lays one exam over the other cannot be right by being of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.optimize import brentq

from millet.core.geometry import Floats, Grid

WAVES_MM = (90.0, 220.0)
_WAVES = 4
_SAMPLE = 4000
_COARSER = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """Where each point of a chest lies at the second time; smooth, and one to one."""

    apex_mm: float
    """z of the top of the lungs."""
    height_mm: float
    middle_mm: Floats
    """(3,), of the lungs."""
    half_mm: float
    """From the midline to the wall of the chest."""
    breath_mm: float
    """How far the middle of the diaphragm goes down."""
    waves: Floats
    """(waves, 7): a direction of motion in mm, a wave vector per mm, a phase."""

    def there(self, points_mm: Floats) -> Floats:
        """(N, 3) points at the second time."""
        points = np.asarray(points_mm, float)
        return points + self._shift(points)

    def back(self, points_mm: Floats) -> Floats:
        """Where (N, 3) points of the second time were at the first, to a thousandth of a mm."""
        wanted = np.asarray(points_mm, float)
        points = wanted.copy()
        for _ in range(12):
            points = wanted - self._shift(points)
        return points

    def growth(self, points_mm: Floats) -> Floats:
        """(N,) by how much volume grows there: the determinant of the motion's slope."""
        step = 0.5
        columns = [
            (self.there(points_mm + step * unit) - self.there(points_mm - step * unit)) / (2 * step)
            for unit in np.eye(3)
        ]
        return np.asarray(np.linalg.det(np.stack(columns, axis=-1)))

    def _shift(self, points: Floats) -> Floats:
        x, y, _ = (points - self.middle_mm).T
        deep = np.clip((self.apex_mm - points[:, 2]) / self.height_mm, 0, 1.3)
        dome = 0.65 + 0.35 * np.exp(-(((np.abs(x) / self.half_mm - 0.55) / 0.35) ** 2) - (y / 70) ** 2)
        wide = self.breath_mm / self.height_mm * 0.35 * (0.4 + 0.6 * deep)
        shift = np.stack([x * wide, y * wide * 0.8, -self.breath_mm * deep**1.7 * dome], axis=1)
        phase = points @ self.waves[:, 3:6].T + self.waves[:, 6]
        return np.asarray(shift + np.sin(phase) @ self.waves[:, :3])


def motion(lung_mm: Floats, volume: float, bend_mm: float, rng: np.random.Generator) -> Motion:
    """Draw one that makes lungs `volume` times as large (0.7 to 1.4) and bends them by about `bend_mm`.

    `lung_mm` are (N, 3) points spread evenly through the lungs at the first time.
    """
    if not 0.7 <= volume <= 1.4:
        raise ValueError(f"lungs do not become {volume} times as large by breathing")
    low, high = lung_mm.min(axis=0), lung_mm.max(axis=0)
    still = Motion(
        apex_mm=float(high[2]),
        height_mm=float(high[2] - low[2]),
        middle_mm=(low + high) / 2,
        half_mm=float(high[0] - low[0]) / 2,
        breath_mm=0.0,
        waves=_waves(bend_mm, rng),
    )
    some = lung_mm[rng.permutation(len(lung_mm))[:_SAMPLE]]

    def off(breath_mm: float) -> float:
        return float(replace(still, breath_mm=breath_mm).growth(some).mean()) - volume

    most = 0.45 * still.height_mm
    return replace(still, breath_mm=float(brentq(off, -most, most, xtol=0.01)))


def _waves(bend_mm: float, rng: np.random.Generator) -> Floats:
    """Together they move a point by `bend_mm` in the root mean square."""
    ways = rng.normal(size=(_WAVES, 3))
    ways *= bend_mm * np.sqrt(2 / _WAVES) / np.linalg.norm(ways, axis=1, keepdims=True)
    lines = rng.normal(size=(_WAVES, 3))
    lines *= 2 * np.pi / rng.uniform(*WAVES_MM, (_WAVES, 1)) / np.linalg.norm(lines, axis=1, keepdims=True)
    return np.concatenate([ways, lines, rng.uniform(0, 2 * np.pi, (_WAVES, 1))], axis=1)


def origins(grid: Grid, way: Motion) -> Floats:
    """(3, Z, Y, X) where each voxel of a grid was before, in voxels; read off a coarser lattice."""
    lines = [np.linspace(0, n - 1, max(n // _COARSER, 2)) for n in grid.shape]
    few = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    shift = grid.to_index_array(way.back(grid.to_patient_array(few))) - few
    shape = tuple(len(line) for line in lines)
    finer = [n / m for n, m in zip(grid.shape, shape, strict=True)]
    full = [ndimage.zoom(shift[:, axis].reshape(shape), finer, order=1) for axis in range(3)]
    return np.asarray(np.indices(grid.shape, np.float32) + np.stack(full), float)
