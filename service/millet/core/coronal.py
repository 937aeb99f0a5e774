"""Coronal planes of a stack: how many there are, how thick, and where each lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from millet.core.geometry import Grid, Index, PointMm, Vector
from millet.core.volume import canonical_grid

PLANE_MM = 1.0
"""Planes are as many rows thick as make this at least: thinner ones are noisier, and twice as many."""
MOST_PIXELS = 96 * 2**20
"""Of all planes together; a larger stack has thicker ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coronal:
    """The planes of a canonical grid from the front to the back.

    Each is the mean of `thick` rows, seen from the front: its first pixel lies at the head and at the
    patient's right, rows run to the feet, columns to the patient's left.
    """

    grid: Grid
    thick: int

    @classmethod
    def of(cls, grid: Grid, most_pixels: int = MOST_PIXELS) -> Coronal:
        """The planes of a stack on a grid, whichever way its slices were written."""
        seen = canonical_grid(grid)
        thick = max(
            math.ceil(PLANE_MM / seen.spacing_mm[1] - 0.05), math.ceil(math.prod(seen.shape) / most_pixels)
        )
        return cls(grid=seen, thick=thick)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        heads, backs, lefts = self.grid.shape
        return -(-backs // self.thick), heads, lefts

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Between rows, and between columns."""
        return self.grid.spacing_mm[0], self.grid.spacing_mm[2]

    @property
    def directions(self) -> tuple[Vector, Vector]:
        """Those in which columns and rows follow each other, as Image Orientation (Patient) tells them."""
        head, _, left = self.grid.axes
        return left, Vector(-head.x, -head.y, -head.z)

    def place_mm(self, plane: int) -> PointMm:
        """The middle of the first pixel of a plane; the last plane may be a thinner one."""
        first, last = plane * self.thick, min((plane + 1) * self.thick, self.grid.shape[1]) - 1
        return self.grid.to_patient(Index(self.grid.shape[0] - 1, (first + last) / 2, 0))
