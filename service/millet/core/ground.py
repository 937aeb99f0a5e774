"""Where in this exam's lungs a nodule could lie: the ground that its statistics are judged against.

Theory of operation. A statistic of where nodules lie says something only next to the same statistic of
nodules dropped at random into the same lungs. What must hold of these lungs is counted off the 2 mm mask:

- reference places, even over the lungs and jittered within their voxels, are the same for every statistic;
- vessels are the bright voxels within the lungs (`VESSEL_ABOVE_HU` over their median), less those that a
  nodule explains: at 2 mm these are arteries, veins and airway walls from about 2 mm on. No nodule is found
  inside one, so no place lies there;
- depth is measured from the mask's own surface, for nodules and for places alike;
- the outermost voxels are the mask's least certain, and a detector's: simulated patterns put no more nodules
  there than were found, and no more than chance would.

All draws are seeded from a constant: the same exam gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.bits import Bits, Mask
from millet.core.geometry import Floats, Grid, Index
from millet.core.lungs import GRID_MM, LungMask

SEED = 20_260
PLACES = 3072
VESSEL_ABOVE_HU = 350.0
VESSEL_BELOW_MM = 4.0
"""Nearer to the surface a bright voxel may be the chest wall, blurred."""
NODULE_BLUR_MM = 2.0
"""How far beyond its radius a nodule is bright at 2 mm."""
FAR_MM = 60.0
"""Distance of a vessel where there is none at all."""

Ints = NDArray[np.int64]
NOWHERE: Floats = np.zeros((0, 3))
NO_LENGTHS: Floats = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """One exam's lungs with its nodules in them. Points are (N, 3), LPS mm."""

    grid: Grid
    """Of the smallest box that holds the lungs."""
    places_mm: Floats
    """Of `reference_places`, those that lie in no vessel."""
    kept: Mask
    """Which of `reference_places` these are."""
    depth_mm: Floats
    """How deep each of them lies below the surface of the lungs."""
    vessel_mm: Floats
    """How far from the nearest vessel."""
    inside: Mask
    """The lungs, on the grid."""
    surface: cKDTree
    vessels: cKDTree | None
    rim: Ints
    """Flat positions of the outermost voxels of the lungs that are no vessel."""
    inner: Ints
    """The same of all other voxels."""

    def depths(self, points_mm: Floats) -> Floats:
        """How deep points lie below the surface of the lungs; 0 outside."""
        return np.where(self._at(self.inside, points_mm), _depths(self.surface, points_mm), 0.0)

    def vessel_distances(self, points_mm: Floats) -> Floats:
        """How far points lie from the nearest vessel."""
        return _nearest(self.vessels, points_mm)

    def drawn(self, patterns: int, centres_mm: Floats) -> Floats:
        """Random patterns (patterns, N, 3) of as many places as there are centres (N, 3)."""
        rng = np.random.default_rng([SEED, len(centres_mm)])
        size = (patterns, len(centres_mm))
        share = len(self.rim) / (len(self.rim) + len(self.inner))
        inner = np.zeros(self.grid.shape, bool)
        inner.ravel()[self.inner] = True
        outer = ~self._at(inner, centres_mm)
        few = outer.mean() < share
        at_rim = np.broadcast_to(outer, size) if few else rng.random(size, np.float32) < share
        flat = np.empty(size, np.int64)
        flat[at_rim] = self.rim[rng.integers(len(self.rim), size=int(at_rim.sum()))]
        flat[~at_rim] = self.inner[rng.integers(len(self.inner), size=int((~at_rim).sum()))]
        return _within(self.grid, flat, rng)

    def _at(self, mask: Mask, points_mm: Floats) -> Mask:
        """A mask at points; False beyond the grid."""
        index = np.rint(self.grid.to_index_array(points_mm)).astype(np.int64)
        within = ((index >= 0) & (index < np.asarray(self.grid.shape))).all(axis=1)
        held = np.zeros(len(points_mm), bool)
        held[within] = mask[tuple(index[within].T)]
        return held


def reference_places(lungs: LungMask) -> Floats:
    """Even places (3072, 3) in both lungs, a function of the mask alone; none where it is empty."""
    if lungs.box is None:
        return np.zeros((0, 3))
    return _places(lungs.label[lungs.box] > 0, _box_grid(lungs))


def ground(
    lungs: LungMask,
    centres_mm: Floats,
    diameters_mm: Floats,
    filled_mm: Floats = NOWHERE,
    filled_diameters_mm: Floats = NO_LENGTHS,
) -> Ground:
    """The ground of an exam with nodules at (N, 3) of diameters (N,).

    No place lies in the balls `filled_mm` (K, 3), a few large lesions. Raises ValueError without lungs.
    """
    box = lungs.box
    if box is None:
        raise ValueError("without lungs there is no ground for nodules to lie on")
    inside, grid = lungs.label[box] > 0, _box_grid(lungs)
    bits = Bits.of(inside, 2)
    bright = _bright(lungs.hu[box], inside) & bits.shrunk(int((VESSEL_BELOW_MM / GRID_MM) ** 2)).mask()
    points = grid.to_patient_array(np.argwhere(bright).astype(float))
    points = points[~_explained(points, centres_mm, diameters_mm)]
    vessels, surface = _tree(points) if len(points) else None, _surface(inside, grid)
    free, core = inside.copy(), bits.shrunk(1).mask()
    free[_voxels(grid, points)] = False
    for centre, diameter in zip(filled_mm, filled_diameters_mm, strict=True):
        _fill(free, grid, centre, diameter / 2)
    places = _places(inside, grid)
    kept: Mask = free[_voxels(grid, places)]
    return Ground(
        grid=grid,
        places_mm=places[kept],
        kept=kept,
        depth_mm=_depths(surface, places[kept]),
        vessel_mm=_nearest(vessels, places[kept]),
        inside=inside,
        surface=surface,
        vessels=vessels,
        rim=np.flatnonzero(free & ~core),
        inner=np.flatnonzero(free & core),
    )


def _box_grid(lungs: LungMask) -> Grid:
    """The grid of the box that holds the lungs."""
    box = lungs.box or (slice(0, 0),) * 3
    start = lungs.grid.to_patient(Index(*(float(side.start) for side in box)))
    z, y, x = (side.stop - side.start for side in box)
    return replace(lungs.grid, shape=(z, y, x), origin_mm=start)


def _places(inside: Mask, grid: Grid) -> Floats:
    """One place in each of as many equal parts of the lungs."""
    rng = np.random.default_rng(SEED)
    flat = np.flatnonzero(inside)
    part = (np.arange(PLACES) + rng.random(PLACES)) * len(flat) / PLACES
    return _within(grid, flat[part.astype(np.int64)], rng)


def _bright(hu: NDArray[np.float32], inside: Mask) -> Mask:
    few = (slice(None, None, 3),) * 3
    return np.asarray(hu > np.median(hu[few][inside[few]]) + VESSEL_ABOVE_HU)


def _explained(points: Floats, centres_mm: Floats, diameters_mm: Floats) -> Mask:
    """Which bright voxels are nodules."""
    if not len(centres_mm) or not len(points):
        return np.zeros(len(points), bool)
    reach = diameters_mm / 2 + NODULE_BLUR_MM
    far, which = cKDTree(centres_mm).query(points, distance_upper_bound=float(reach.max()) + 1e-6)
    return np.asarray(far <= np.append(reach, 0.0)[which])


def _fill(free: Mask, grid: Grid, centre_mm: Floats, radius_mm: float) -> None:
    """Take the voxels of a ball away, in place."""
    middle = grid.to_index_array(centre_mm[None])[0]
    reach = radius_mm / GRID_MM
    low = np.clip(np.floor(middle - reach), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, 0, grid.shape).astype(int)
    z, y, x = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    square = (z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2]) ** 2
    free[low[0] : high[0], low[1] : high[1], low[2] : high[2]] &= square > reach**2


def _surface(inside: Mask, grid: Grid) -> cKDTree:
    """The voxels outside that touch the lungs."""
    wide = np.pad(inside, 1)
    around = Bits.of(wide, 1).grown(1).mask() & ~wide
    return _tree(grid.to_patient_array(np.argwhere(around).astype(float) - 1.0))


def _tree(points: Floats) -> cKDTree:
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _nearest(tree: cKDTree | None, points_mm: Floats) -> Floats:
    if tree is None or not len(points_mm):
        return np.full(len(points_mm), FAR_MM)
    return np.asarray(tree.query(points_mm)[0], float)


def _depths(surface: cKDTree, points_mm: Floats) -> Floats:
    """The surface runs half a voxel before the centres of the voxels outside."""
    return np.maximum(_nearest(surface, points_mm) - GRID_MM / 2, 0.0)


def _within(grid: Grid, flat: Ints, rng: np.random.Generator) -> Floats:
    """Places (..., 3) somewhere in the voxels of those flat positions."""
    rest, x = np.divmod(flat.astype(np.int32), np.int32(grid.shape[2]))
    z, y = np.divmod(rest, np.int32(grid.shape[1]))
    index: Floats = rng.random((*flat.shape, 3)) - 0.5
    for axis, part in enumerate((z, y, x)):
        index[..., axis] += part
    return grid.to_patient_array(index.reshape(-1, 3)).reshape(*flat.shape, 3)


def _voxels(grid: Grid, points_mm: Floats) -> tuple[Ints, Ints, Ints]:
    """The voxels that points lie in, or those nearest to them."""
    index = np.rint(grid.to_index_array(points_mm)).astype(np.int64)
    z, y, x = np.clip(index, 0, np.asarray(grid.shape) - 1).T
    return z, y, x
