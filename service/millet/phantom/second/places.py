"""Where disease sits: at random, about the terminal arterioles, or along pleura, fissures and vessels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.phantom.second.anatomy import Chest
from millet.phantom.second.trees import Tree
from millet.phantom.second.vessels import Vessels, wall_mm

GAP_MM = 1.0
"""Least distance between the surfaces of two nodules."""
PLEURA_MM = 3.0
"""Centrilobular nodules keep this far from pleura and fissures (Webb, HRCT of the lung)."""
BANDS_MM = ((0.6, 1.2), (1.2, 2.5), (2.5, 20.0))
POOL = 60
FEWEST = 3000


def places(
    spread: str, diameters_mm: Floats, chest: Chest, found: Vessels, avoid: Sequence[tuple[Floats, float]],
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """A centre (N, 3) in patient mm for each diameter, no two nodules nearer than `GAP_MM`.

    `avoid` are spheres (centre, radius) to keep clear of. Raises ValueError where they do not fit.
    """
    widest = float(diameters_mm.max(initial=1.0))
    pool = _POOLS[spread](chest, found, widest, max(POOL * len(diameters_mm), FEWEST), rng)
    pool = _clear(pool, chest, found, widest / 2)
    for centre, radius in avoid:
        pool = pool[np.linalg.norm(pool - centre, axis=1) > radius + widest / 2 + GAP_MM]
    return _apart(pool, diameters_mm)


def pairs(
    diameters_mm: Floats, pair_mm: float, chest: Chest, found: Vessels, rng: np.random.Generator
) -> Floats:
    """Centres two by two, `pair_mm` apart within a pair."""
    half = -(-len(diameters_mm) // 2)
    wide = np.full(half, pair_mm + float(diameters_mm.max(initial=1.0)))
    pool = _clear(_random(chest, found, float(wide[0]), POOL * half + FEWEST, rng), chest, found, wide[0] / 2)
    middles = _apart(pool, wide)
    way = rng.normal(size=(half, 3))
    way *= pair_mm / 2 / np.linalg.norm(way, axis=1)[:, None]
    both = np.stack([middles - way, middles + way], axis=1).reshape(-1, 3)
    return np.asarray(both[: len(diameters_mm)])


def _lung_points(chest: Chest, deep_mm: float, count: int, rng: np.random.Generator) -> Floats:
    voxels = np.argwhere(chest.lung < -deep_mm)
    if not len(voxels):
        return np.zeros((0, 3))
    chosen = voxels[rng.integers(len(voxels), size=count)]
    return chest.frame.grid.to_patient_array(chosen + rng.uniform(-0.5, 0.5, (count, 3)))


def _random(chest: Chest, _found: Vessels, widest_mm: float, count: int, rng: np.random.Generator) -> Floats:
    return _lung_points(chest, widest_mm / 2 + 0.5, count, rng)


def _centrilobular(
    chest: Chest, found: Vessels, widest_mm: float, count: int, rng: np.random.Generator
) -> Floats:
    """Within a millimetre of the ends of arteries."""
    tips = found.arteries.place_mm[found.arteries.tips]
    points = np.repeat(tips, 2, axis=0) + rng.normal(0, 0.5, (2 * len(tips), 3))
    clear = PLEURA_MM + widest_mm / 2
    kept = points[(chest.lung_at(points) > clear) & (chest.fissure_at(points) > clear)]
    return rng.permutation(kept)[:count]


def _perilymphatic(
    chest: Chest, found: Vessels, widest_mm: float, count: int, rng: np.random.Generator
) -> Floats:
    """A third each: just below the pleura, at a fissure, against a vessel or bronchus."""
    loose = _lung_points(chest, 0.0, 40 * count, rng)
    deep = chest.lung_at(loose)
    touch = widest_mm / 2
    pleural = loose[np.abs(deep - touch) < 0.4]
    fissural = loose[(deep > touch) & (chest.fissure_at(loose) < touch)]
    along = [_beside(tree, extra, touch, count, rng) for tree, extra in (
        (found.arteries, 0.0), (found.veins, 0.0), (found.airways, 0.8))]  # fmt: skip
    sheath = np.concatenate(along)
    sheath = sheath[chest.lung_at(sheath) > touch]
    third = count // 3
    parts = [rng.permutation(part)[:third] for part in (pleural, fissural, sheath)]
    return rng.permutation(np.concatenate(parts))


def _beside(tree: Tree, extra_mm: float, touch_mm: float, count: int, rng: np.random.Generator) -> Floats:
    """Places whose nodules touch a branch of 0.5 to 3 mm radius."""
    nodes = np.flatnonzero((tree.radius_mm > 0.5) & (tree.radius_mm < 3.0) & (tree.parent >= 0))
    if not len(nodes):
        return np.zeros((0, 3))
    nodes = nodes[rng.integers(len(nodes), size=count)]
    along = tree.place_mm[nodes] - tree.place_mm[tree.parent[nodes]]
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
    aside = rng.normal(size=along.shape)
    aside -= (aside * along).sum(axis=1, keepdims=True) * along
    aside /= np.maximum(np.linalg.norm(aside, axis=1), 1e-6)[:, None]
    return np.asarray(tree.place_mm[nodes] + aside * (tree.radius_mm[nodes] + extra_mm + touch_mm)[:, None])


def _clear(points: Floats, chest: Chest, found: Vessels, touch_mm: float) -> Floats:
    """The points that no branch over 1.2 mm wide runs through: nodules may touch, not hide in one."""
    free = chest.lung_at(points) > 0.8 * touch_mm
    airways = found.airways.radius_mm + wall_mm(found.airways.radius_mm)
    place = np.concatenate([found.arteries.place_mm, found.veins.place_mm, found.airways.place_mm])
    radius = np.concatenate([found.arteries.radius_mm, found.veins.radius_mm, airways])
    for low, high in BANDS_MM:
        band = (radius > low) & (radius <= high)
        if band.any() and len(points):
            far, near = cKDTree(place[band]).query(points, distance_upper_bound=high + touch_mm)
            wide = np.append(radius[band], 0.0)[near]
            free &= far > np.where(np.isfinite(far), wide + 0.5 * touch_mm, 0.0)
    return points[free]


def _apart(pool: Floats, diameters_mm: Floats) -> Floats:
    """The first points of the pool that keep clear of each other, the widest nodules placed first."""
    chosen = np.zeros((len(diameters_mm), 3))
    points = iter(pool)
    order = np.argsort(-diameters_mm, kind="stable")
    for taken, which in enumerate(order):
        before = order[:taken]
        least = (diameters_mm[before] + diameters_mm[which]) / 2 + GAP_MM
        for point in points:
            if (np.linalg.norm(chosen[before] - point, axis=1) > least).all():
                break
        else:
            raise ValueError(f"{len(diameters_mm)} nodules do not fit {len(pool)} places")
        chosen[which] = point
    return chosen


_POOLS = {"random": _random, "centrilobular": _centrilobular, "perilymphatic": _perilymphatic}
