"""Two exams of one patient as their nodules and lungs alone, without an image: made in seconds.

For following up, which sees no more than that. What a detector does to the lists is put in: some nodules
missed and some false ones in each, centres and volumes a little off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.lungs import GRID_MM, LungMask
from millet.phantom.after import After
from millet.phantom.later import SPREAD
from millet.phantom.motion import Motion, motion
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
        coarse = _around(held if way is None else way.there(held), 2 * GRID_MM)
        places = coarse.to_patient_array(np.indices(coarse.shape).reshape(3, -1).T.astype(float))
        before = places if way is None else way.back(places)
        index = self.grid.to_index_array(before).T
        level = ndimage.map_coordinates(self.level, index, order=1, mode="nearest").reshape(coarse.shape)
        right = np.where(before[:, 0] < 0, -1.0, 1.0).reshape(coarse.shape)
        z, y, x = (2 * n - 1 for n in coarse.shape)
        grid = replace(coarse, shape=(z, y, x), spacing_mm=(GRID_MM, GRID_MM, GRID_MM))
        inside, side = _finer(level) < 0, np.where(_finer(right) < 0, 1, 2)
        label = np.where(inside, side, 0).astype(np.uint8)
        litres = [float(np.count_nonzero(label == one)) * GRID_MM**3 / 1e6 for one in (1, 2)]
        return LungMask(
            label=label,
            hu=np.where(label > 0, np.float32(-860), np.float32(40)),
            grid=grid,
            litres=Lungs(right_l=litres[0], left_l=litres[1]),
            cut_at_top=False,
            cut_at_base=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twice:
    """Lungs at both times."""

    shape: Shape
    way: Motion
    before: LungMask
    after: LungMask


def twice(shape: Shape, after: After, rng: np.random.Generator) -> Twice:
    """The same lungs, moved."""
    way = motion(shape.inside(rng), after.volume, after.bend_mm, rng)
    return Twice(shape=shape, way=way, before=shape.mask(), after=shape.mask(way))


def pair(
    lungs: Twice, count: int, after: After, rng: np.random.Generator, reader: Reader | None = None
) -> Pair:
    """Nodules of 1.5 to 5 mm at random in these lungs, then and later. Raises ValueError for too many."""
    reader = reader or Reader()
    deep = lungs.shape.inside(rng, 3.0)
    centres = spread(deep, count, rng, least_mm=APART_MM, evenness=0.4)
    volumes = np.pi / 6 * (1.5 * (5 / 1.5) ** rng.uniform(size=count)) ** 3
    gone = rng.uniform(size=count) < after.gone
    later = volumes * (1 + after.change) * np.exp(rng.normal(0, SPREAD, count))
    way = lungs.way
    return Pair(
        prior=_read(lungs.before, (centres, volumes), np.ones(count, bool), deep, reader, rng),
        current=_read(lungs.after, (way.there(centres), later), ~gone, way.there(deep), reader, rng),
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


def _around(points: Floats, step_mm: float) -> Grid:
    """A lattice around points."""
    low = np.floor(points.min(axis=0) / step_mm) * step_mm - _MARGIN_MM
    high = np.ceil(points.max(axis=0) / step_mm) * step_mm + _MARGIN_MM
    x, y, z = (round(n) + 1 for n in (high - low) / step_mm)
    return Grid(
        shape=(z, y, x),
        spacing_mm=(step_mm, step_mm, step_mm),
        origin_mm=PointMm(*low.tolist()),
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )


def _finer(field: Floats) -> Floats:
    """Every second value new, between its neighbours."""
    for axis in range(3):
        shape = [2 * n - 1 if k == axis else n for k, n in enumerate(field.shape)]
        finer = np.empty(shape)
        here = [slice(None)] * 3
        here[axis] = slice(None, None, 2)
        finer[tuple(here)] = field
        ahead = np.take(field, range(1, field.shape[axis]), axis=axis)
        behind = np.take(field, range(field.shape[axis] - 1), axis=axis)
        here[axis] = slice(1, None, 2)
        finer[tuple(here)] = (ahead + behind) / 2
        field = finer
    return field
