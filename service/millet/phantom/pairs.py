"""Two exams of one patient as their nodules and lungs alone, without an image: made in seconds.

For following up, which sees no more than that. What a detector does to the lists is put in: some nodules
missed and some false ones in each, centres and volumes a little off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.lungs import GRID_MM, LungMask
from millet.phantom.after import After
from millet.phantom.later import SPREAD
from millet.phantom.motion import Motion, motion, origins
from millet.phantom.nodules import spread
from millet.phantom.shapes import Field

APART_MM = 4.0
_MARGIN_MM = 20.0
_NOTHING = -1
"""Who a false nodule is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """What a detector does to a list."""

    missed: float = 0.05
    false: float = 0.02
    place_mm: float = 0.3
    """Root mean square of how far centres are off."""
    volume: float = 0.08
    """Standard deviation of the logarithm of volumes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """One exam as read: (N, 3) centres in mm, (N,) volumes, (N,) who each is, below nought for false ones."""

    lungs: LungMask
    centres_mm: Floats
    volumes_mm3: Floats
    who: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Both exams, the motion from the first to the second, and which of all nodules vanished."""

    prior: Found
    current: Found
    way: Motion
    nodules_mm: Floats
    gone: NDArray[np.bool_]

    @property
    def both(self) -> NDArray[np.int64]:
        """Who is in both lists."""
        return np.intersect1d(self.prior.who[self.prior.who >= 0], self.current.who[self.current.who >= 0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """Lungs as a signed distance in mm, negative inside, on a canonical grid."""

    level: Field
    grid: Grid

    def inside(self, rng: np.random.Generator, deeper_mm: float = 0.0) -> Floats:
        """(N, 3) points spread evenly through them."""
        held = np.argwhere(self.level < -deeper_mm)
        return self.grid.to_patient_array(held + rng.uniform(-0.5, 0.5, held.shape))

    def mask(self, way: Motion | None = None) -> LungMask:
        """As `core.lungs` would find them, before or after a motion; the midline tells left from right."""
        held = self.grid.to_patient_array(np.argwhere(self.level < 0).astype(float))
        grid = _around(held if way is None else way.there(held))
        index = np.indices(grid.shape).astype(float) if way is None else origins(grid, way)
        before = grid.to_patient_array(index.reshape(3, -1).T)
        level = ndimage.map_coordinates(
            self.level, self.grid.to_index_array(before).T, order=1, mode="nearest"
        )
        label = np.where(level < 0, np.where(before[:, 0] < 0, 1, 2), 0).reshape(grid.shape).astype(np.uint8)
        right, left = (float(np.count_nonzero(label == side)) * GRID_MM**3 / 1e6 for side in (1, 2))
        return LungMask(
            label=label,
            hu=np.where(label > 0, np.float32(-860), np.float32(40)),
            grid=grid,
            litres=Lungs(right_l=right, left_l=left),
            cut_at_top=False,
            cut_at_base=False,
        )


def pair(
    shape: Shape, count: int, after: After, rng: np.random.Generator, reader: Reader | None = None
) -> Pair:
    """Nodules of 1.5 to 5 mm at random in these lungs, then and later. Raises ValueError for too many."""
    reader = reader or Reader()
    way = motion(shape.inside(rng), after.volume, after.bend_mm, rng)
    deep = shape.inside(rng, 3.0)
    centres = spread(deep, count, rng, least_mm=APART_MM, evenness=0.4)
    volumes = np.pi / 6 * (1.5 * (5 / 1.5) ** rng.uniform(size=count)) ** 3
    gone = rng.uniform(size=count) < after.gone
    later = volumes * (1 + after.change) * np.exp(rng.normal(0, SPREAD, count))
    return Pair(
        prior=_read(shape.mask(), (centres, volumes), np.ones(count, bool), deep, reader, rng),
        current=_read(shape.mask(way), (way.there(centres), later), ~gone, way.there(deep), reader, rng),
        way=way,
        nodules_mm=centres,
        gone=gone,
    )


def _read(
    lungs: LungMask,
    nodules: tuple[Floats, Floats],
    there: NDArray[np.bool_],
    places: Floats,
    reader: Reader,
    rng: np.random.Generator,
) -> Found:
    """What is found of the nodules that are there."""
    seen = np.flatnonzero(there & (rng.uniform(size=len(there)) >= reader.missed))
    false = places[rng.integers(len(places), size=round(reader.false * len(seen)))]
    centres = nodules[0][seen] + rng.normal(0, reader.place_mm / 3**0.5, (len(seen), 3))
    volumes = nodules[1][seen] * np.exp(rng.normal(0, reader.volume, len(seen)))
    return Found(
        lungs=lungs,
        centres_mm=np.concatenate([centres, false]),
        volumes_mm3=np.concatenate([volumes, rng.uniform(4, 30, len(false))]),
        who=np.concatenate([seen, np.full(len(false), _NOTHING)]),
    )


def _around(points: Floats) -> Grid:
    """The lattice of `GRID_MM` around points."""
    low = np.floor(points.min(axis=0) / GRID_MM) * GRID_MM - _MARGIN_MM
    high = np.ceil(points.max(axis=0) / GRID_MM) * GRID_MM + _MARGIN_MM
    x, y, z = (round(n) + 1 for n in (high - low) / GRID_MM)
    return Grid(
        shape=(z, y, x),
        spacing_mm=(GRID_MM, GRID_MM, GRID_MM),
        origin_mm=PointMm(*low.tolist()),
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )
