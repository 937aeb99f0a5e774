"""The lobes of both lungs, as far as fissures tell: which one a point lies in, litres, how far fissures are.

A lobe is named only where the fissures that bound it were found, and only for points that lie clear of them
by more than they may be wrong. Everything else has no lobe, and whoever asks falls back on zones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Mask
from millet.core.character import Lobe
from millet.core.columns import Planes
from millet.core.components import extent
from millet.core.fissures import LEFT, RIGHT, Fissure, horizontal, oblique
from millet.core.geometry import Floats, Grid
from millet.core.lungs import AIR_BELOW_HU, GRID_MM, LungMask
from millet.core.nodule import Side
from millet.core.placing import along
from millet.core.surface import Surface

_VOXEL_L = GRID_MM**3 / 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lobes:
    """The fissures that were found, and what they tell."""

    lungs: LungMask
    right: Fissure | None
    """The right oblique fissure."""
    left: Fissure | None
    horizontal: Fissure | None
    """Only looked for above the right oblique one."""
    litres: Mapping[Lobe, float]
    """Air-filled lung of each lobe that all its fissures were found of."""

    @property
    def complete(self) -> bool:
        """Whether all five were told apart."""
        return len(self.litres) == len(Lobe)

    def at(self, points_mm: Floats) -> list[Lobe | None]:
        """The lobe of each of (N, 3) points in LPS; None in doubt, and where a fissure is missing."""
        points = np.asarray(points_mm, float).reshape(-1, 3)
        found: list[Lobe | None] = [None] * len(points)
        side = sides(self.lungs, points)
        for lobe, mine in (*self._right(points), *self._left(points)):
            label = LEFT if lobe in {Lobe.LEFT_UPPER, Lobe.LEFT_LOWER} else RIGHT
            for number in np.flatnonzero(mine & (side == label)):
                found[number] = lobe
        return found

    def fissure_mm(self, points_mm: Floats) -> Floats:
        """How far (N, 3) points are from the nearest fissure of their lung; NaN where none was found."""
        points = np.asarray(points_mm, float).reshape(-1, 3)
        side, far = sides(self.lungs, points), np.full(len(points), np.nan)
        for label, fissures in ((RIGHT, (self.right, self.horizontal)), (LEFT, (self.left,))):
            mine = np.flatnonzero(side == label)
            for fissure in fissures:
                if fissure is not None and fissure.seen.any():
                    far[mine] = np.fmin(far[mine], _surface(fissure).distance_mm(points[mine]))
        return far

    def _right(self, points: Floats) -> list[tuple[Lobe, Mask]]:
        if self.right is None:
            return []
        above, below = _told(self.right, points)
        if self.horizontal is None:
            return [(Lobe.RIGHT_LOWER, below)]
        over, under = _told(self.horizontal, points)
        return [
            (Lobe.RIGHT_LOWER, below),
            (Lobe.RIGHT_UPPER, above & over),
            (Lobe.RIGHT_MIDDLE, above & under),
        ]

    def _left(self, points: Floats) -> list[tuple[Lobe, Mask]]:
        if self.left is None:
            return []
        above, below = _told(self.left, points)
        return [(Lobe.LEFT_UPPER, above), (Lobe.LEFT_LOWER, below)]


def lobes_of(planes: Planes, grid: Grid, lungs: LungMask) -> Lobes:
    """Find the fissures and with them the lobes.

    Args:
        planes: HU (y, x) of each lattice plane at 1 mm, rounded (`flow.planes.PICTURE`).
        grid: the lattice grid of those planes.
        lungs: the mask, on a grid of the same lattice axes.
    """
    right, left = (oblique(planes, grid, lungs, label) for label in (RIGHT, LEFT))
    level = None if right is None else horizontal(planes, grid, lungs, right)
    return Lobes(
        lungs=lungs, right=right, left=left, horizontal=level, litres=_litres(lungs, right, left, level)
    )


def sides(lungs: LungMask, points_mm: Floats) -> NDArray[np.uint8]:
    """The lung of each of (N, 3) points as its label, the nearer one for points outside; 0 without lungs."""
    labels = lungs.at(points_mm)
    if lungs.found:
        for number in np.flatnonzero(labels == 0):
            labels[number] = RIGHT if lungs.side(points_mm[number]) is Side.RIGHT else LEFT
    return labels


def _told(fissure: Fissure, points: Floats) -> tuple[Mask, Mask]:
    """Which points lie above a fissure, and which below, beyond doubt."""
    over, doubt = fissure.over_mm(points), fissure.doubt_at_mm(points)
    return over > doubt, over < -doubt


def _surface(fissure: Fissure) -> Surface:
    points, normals = fissure.samples()
    return Surface(points_mm=points, normals=normals, reach_mm=float(fissure.frame.step_mm[:2].max()))


def _litres(
    lungs: LungMask, right: Fissure | None, left: Fissure | None, level: Fissure | None
) -> dict[Lobe, float]:
    found: dict[Lobe, float] = {}
    if right is not None:
        air, above = _sorted(lungs, RIGHT, right)
        found[Lobe.RIGHT_LOWER] = _litre(air & ~above)
        if level is not None:
            _, over = _sorted(lungs, RIGHT, level)
            found[Lobe.RIGHT_UPPER] = _litre(air & above & over)
            found[Lobe.RIGHT_MIDDLE] = _litre(air & above & ~over)
    if left is not None:
        air, above = _sorted(lungs, LEFT, left)
        found[Lobe.LEFT_UPPER], found[Lobe.LEFT_LOWER] = _litre(air & above), _litre(air & ~above)
    return found


def _sorted(lungs: LungMask, label: int, fissure: Fissure) -> tuple[Mask, Mask]:
    """One lung's air in its box, and what of the box lies above a fissure."""
    mine = lungs.label == label
    box = extent(mine) or (slice(0, 0),) * 3
    first = along(lungs.grid)
    z, y, x = (first[axis] + GRID_MM * np.arange(side.start, side.stop) for axis, side in enumerate(box))
    zy = np.broadcast_arrays(z[:, None], y[None, :])
    return mine[box] & (lungs.hu[box] < AIR_BELOW_HU), fissure.above((zy[0], zy[1]), x)


def _litre(mask: Mask) -> float:
    return float(np.count_nonzero(mask)) * _VOXEL_L
