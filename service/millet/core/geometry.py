"""Where a voxel is: the only module that converts between indices and patient millimetres.

Indices are (z, y, x), zero-based, whole numbers at voxel centres. Points are (x, y, z) in mm in the
patient coordinate system, x to the left, y to the back, z to the head (LPS; PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Index(NamedTuple):
    """A voxel position (z, y, x); may be fractional."""

    z: float
    y: float
    x: float


class PointMm(NamedTuple):
    """A patient position (x, y, z) in mm, LPS."""

    x: float
    y: float
    z: float


class Vector(NamedTuple):
    """A direction (x, y, z) in LPS, of unit length where it names an axis."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A regular, right- or left-handed, orthogonal voxel grid in patient space.

    `axes` are the LPS unit directions in which the z, y and x index grow, in that order;
    `origin_mm` is the centre of voxel (0, 0, 0).
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: PointMm
    axes: tuple[Vector, Vector, Vector]

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ValueError(f"shape must be positive, not {self.shape}")
        if min(self.spacing_mm) <= 0:
            raise ValueError(f"spacing_mm must be positive, not {self.spacing_mm}")
        axes = np.asarray(self.axes, float)
        if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-4):
            raise ValueError("axes must be orthonormal")

    def to_patient(self, index: Index) -> PointMm:
        """Map a voxel index to the patient coordinate system."""
        return PointMm(*(float(v) for v in self.to_patient_array(np.asarray([index], float))[0]))

    def to_index(self, point_mm: PointMm) -> Index:
        """Map a patient point to a fractional voxel index."""
        return Index(*(float(v) for v in self.to_index_array(np.asarray([point_mm], float))[0]))

    def to_patient_array(self, indices: Floats) -> Floats:
        """Map (N, 3) indices (z, y, x) to (N, 3) points (x, y, z) in mm."""
        steps = np.asarray(self.axes, float) * np.asarray(self.spacing_mm, float)[:, None]
        points: Floats = np.asarray(self.origin_mm, float) + np.asarray(indices, float) @ steps
        return points

    def to_index_array(self, points_mm: Floats) -> Floats:
        """Map (N, 3) points (x, y, z) in mm to (N, 3) fractional indices (z, y, x)."""
        offsets = np.asarray(points_mm, float) - np.asarray(self.origin_mm, float)
        indices: Floats = (offsets @ np.asarray(self.axes, float).T) / np.asarray(self.spacing_mm, float)
        return indices

    @property
    def voxel_mm3(self) -> float:
        """The volume of one voxel."""
        z, y, x = self.spacing_mm
        return z * y * x
