"""Where nodules lie: at random, in the middle of lobules, or along pleura, fissures and vessel sheaths.

The three spreads are those that radiologists tell apart (Gruden et al., AJR 162:1095, 1994): nodules
brought by the blood lie anywhere; those of the small airways sit at the terminal arterioles and spare
the pleura by some millimetres; those of the lymphatics sit on pleura, fissures and bronchovascular
sheaths. Random nodules keep clear of the pleura and of larger vessels, so that each is one by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.phantom import nodules, scars, vessels
from millet.phantom.anatomy import Chest
from millet.phantom.spec import Preset
from millet.phantom.vessels import Branches, Tree

PLEURA_CLEAR_MM = 3.0
LARGE_MM = 12.0
"""From here on a nodule may touch the pleura and swallow vessels; fewer would find a place else."""
LYMPHATIC = {"pleura": 0.35, "fissure": 0.15, "sheath": 0.5}
"""Shares of the perilymphatic candidates. No published figure: chosen so that all three are common."""
SHEATH_RADIUS_MM = (0.4, 2.5)
_POOL = 60
_WIDE = ((1.0, 2.0), (2.0, 4.0), (4.0, 20.0))
_ALL = ((0.4, 0.7), (0.7, 1.0), (1.0, 1.4), (1.4, 2.0), (2.0, 2.8), (2.8, 4.0), (4.0, 6.0), (6.0, 20.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """What nodules find in the chest: vessels, the arteries among them, airways with walls, scars."""

    chest: Chest
    tree: Tree
    arteries: Branches
    blood: Branches
    airways: Branches
    scars: tuple[scars.Scar, ...]


def places(wanted: Preset, diameters_mm: Floats, room: Room, rng: np.random.Generator) -> Floats:
    """Centres (N, 3) in mm for nodules of those diameters. Raises ValueError where they do not fit."""
    large = diameters_mm > LARGE_MM
    centres = np.empty((len(diameters_mm), 3))
    centres[large] = _large(diameters_mm[large], room.chest, rng)
    taken = [(centre, d / 2) for centre, d in zip(centres[large], diameters_mm[large], strict=True)]
    small = diameters_mm[~large]
    match wanted.spread:
        case "centrilobular":
            found = _centrilobular(small, room, taken, rng)
        case "perilymphatic":
            found = _perilymphatic(small, room, taken, rng)
        case _:
            found = _random(small, wanted, room, taken, rng)
    centres[~large] = found
    return centres


Taken = list[tuple[Floats, float]]
"""Centres and radii of what is there already."""


def _random(diameters: Floats, wanted: Preset, room: Room, taken: Taken, rng: np.random.Generator) -> Floats:
    """Points in the lungs clear of the pleura, the mass and vessels over 2 mm wide."""
    pair_mm, even = wanted.pair_mm, wanted.evenness
    widest = float(diameters.max(initial=3.0)) + pair_mm
    chest = room.chest
    deep = np.argwhere((chest.lung < -widest / 2 - 1) & (chest.mass > widest / 2 + 3))
    points = chest.grid.to_patient_array(deep + rng.uniform(-0.5, 0.5, deep.shape))
    free = ~_near(points, room.blood, _WIDE, widest / 2 + 1) & _apart(points, room, taken, widest)
    if not pair_mm:
        return nodules.spread(points[free], len(diameters), rng, evenness=even)
    middles = nodules.spread(points[free], len(diameters) // 2, rng, evenness=even)
    way = rng.normal(size=middles.shape)
    way *= pair_mm / 2 / np.linalg.norm(way, axis=1, keepdims=True)
    return np.stack([middles - way, middles + way], axis=1).reshape(-1, 3)


def _centrilobular(diameters: Floats, room: Room, taken: Taken, rng: np.random.Generator) -> Floats:
    """The tips of terminal arterioles that are clear of pleura and fissures."""
    widest = float(diameters.max(initial=3.0))
    tips = room.tree.end_mm[room.tree.ends == 1]
    tips = tips + rng.normal(0, 0.4, tips.shape)
    clear_mm = PLEURA_CLEAR_MM + widest / 2
    chest = room.chest
    free = chest.sample(chest.lung, tips) < -clear_mm
    for sheet in (chest.fissure, chest.level):
        free &= np.abs(chest.sample(sheet, tips)) > clear_mm
    free &= (chest.sample(chest.mass, tips) > widest / 2 + 3) & _apart(tips, room, taken, widest)
    return nodules.spread(tips[free], len(diameters), rng, evenness=0.3, least_mm=widest)


def _perilymphatic(diameters: Floats, room: Room, taken: Taken, rng: np.random.Generator) -> Floats:
    """Points that touch the pleura, a fissure or the sheath of an artery, some of each.

    Where one lies depends on its radius, so the candidates for each nodule are its own.
    """
    chest, widest = room.chest, float(diameters.max(initial=3.0))
    order = rng.permutation(np.repeat(np.arange(len(diameters)), _POOL))
    ends = np.cumsum([round(share * len(order)) for share in list(LYMPHATIC.values())[:-1]])
    parts = np.split(order, ends)
    radii = [diameters[part] / 2 for part in parts]
    points = np.concatenate(
        [_on_pleura(chest, radii[0], rng), _on_fissure(chest, radii[1], rng), _on_sheath(room, radii[2], rng)]
    )
    owner, radius = np.concatenate(parts), np.concatenate(radii)
    free = np.isfinite(points).all(axis=1)
    points = np.where(free[:, None], points, 0.0)
    free &= (chest.sample(chest.lung, points) < -0.7 * radius) & (
        chest.sample(chest.mass, points) > widest / 2 + 3
    )
    free &= _apart(points, room, taken, widest)
    for tubes in (room.blood, room.airways):
        free &= ~_near(points, tubes, _ALL, 0.0)
    return _one_each(points[free], owner[free], len(diameters), widest, rng)


def _one_each(
    points: Floats, owner: NDArray[np.int64], count: int, apart_mm: float, rng: np.random.Generator
) -> Floats:
    """For each nodule one of its own candidates, no two nearer than that."""
    tree, free = cKDTree(points), np.ones(len(points), bool)
    order = rng.permutation(len(points))
    queues: list[list[int]] = [[] for _ in range(count)]
    for k in order:
        queues[owner[k]].append(int(k))
    chosen = np.empty(count, np.int64)
    for n, queue in enumerate(queues):
        at = next((k for k in queue if free[k]), None)
        if at is None:
            raise ValueError(f"{count} nodules do not fit this lung; {n} have a place")
        chosen[n] = at
        free[tree.query_ball_point(points[at], apart_mm + 0.5)] = False
    return np.asarray(points[chosen], float)


def _on_pleura(chest: Chest, radius: Floats, rng: np.random.Generator) -> Floats:
    """Points about one radius below the pleura."""
    shell = np.argwhere((chest.lung < 0) & (chest.lung > -6))
    start = chest.grid.to_patient_array(shell[rng.choice(len(shell), len(radius))].astype(float))
    return _moved(chest, "lung", start, -radius * rng.uniform(0.85, 1.1, len(radius)))


def _on_fissure(chest: Chest, radius: Floats, rng: np.random.Generator) -> Floats:
    """Points whose nodule a fissure cuts or touches."""
    shell = np.argwhere((np.abs(chest.fissure) < 6) & (chest.lung < -5))
    start = chest.grid.to_patient_array(shell[rng.choice(len(shell), len(radius))].astype(float))
    return _moved(chest, "fissure", start, radius * rng.uniform(-1, 1, len(radius)))


def _moved(chest: Chest, name: str, points: Floats, wanted_mm: Floats) -> Floats:
    """Points moved along the slope of a field to where it has the wanted value; NaN where it fails."""
    field = getattr(chest, name)
    for _ in range(3):
        slope = chest.slope(field, points)
        steep = np.maximum((slope**2).sum(axis=1), 0.2)
        off = np.clip(chest.sample(field, points) - wanted_mm, -8, 8)
        points = points - (off / steep)[:, None] * slope
    good = np.abs(chest.sample(field, points) - wanted_mm) < 0.3
    return np.where(good[:, None], points, np.nan)


def _on_sheath(room: Room, radius: Floats, rng: np.random.Generator) -> Floats:
    """Points beside arteries of `SHEATH_RADIUS_MM`, touching them."""
    tubes = room.arteries
    length = np.linalg.norm(tubes.end_mm - tubes.start_mm, axis=1)
    least, most = SHEATH_RADIUS_MM
    wide = tubes.radius_mm.mean(axis=1)
    weight = length * ((wide > least) & (wide < most))
    piece = rng.choice(len(length), len(radius), p=weight / weight.sum())
    t = rng.uniform(size=(len(radius), 1))
    along = tubes.end_mm[piece] - tubes.start_mm[piece]
    aside = np.cross(along, rng.normal(size=along.shape))
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    far = wide[piece] + radius * rng.uniform(0.75, 1.0, len(radius))
    return np.asarray(tubes.start_mm[piece] + t * along + far[:, None] * aside, float)


def _large(diameters: Floats, chest: Chest, rng: np.random.Generator) -> Floats:
    """Places for masses, the largest first: in the lung, but not always clear of its surface."""
    centres = np.full((len(diameters), 3), np.nan)
    for k in np.argsort(-diameters):
        d = diameters[k]
        deep = np.argwhere((chest.lung < -0.35 * d) & (chest.mass > d / 2 + 3))
        points = chest.grid.to_patient_array(deep.astype(float))
        for centre, other in zip(centres, diameters, strict=True):
            if np.isfinite(centre[0]):
                points = points[np.linalg.norm(points - centre, axis=1) > (d + other) / 2 + 3]
        if not len(points):
            raise ValueError(f"no place for a nodule of {d:.0f} mm")
        centres[k] = points[rng.integers(len(points))]
    return centres


def _apart(points: Floats, room: Room, taken: Taken, widest_mm: float) -> NDArray[np.bool_]:
    """Which points keep clear of scars and of what is there already."""
    free = scars.clear(room.scars, points, widest_mm / 2 + 1)
    for centre, radius in taken:
        free &= np.linalg.norm(points - centre, axis=1) > radius + widest_mm / 2 + 1
    return free


def _near(
    points: Floats, tubes: vessels.Branches, bands: tuple[tuple[float, float], ...], clear_mm: float
) -> NDArray[np.bool_]:
    """Which points lie nearer to a tube than its band's upper radius and that much more."""
    t = np.linspace(0, 1, 5)[:, None, None]
    line = (tubes.start_mm + t * (tubes.end_mm - tubes.start_mm)).reshape(-1, 3)
    radius = np.tile(tubes.radius_mm.max(axis=1), 5)
    near = np.zeros(len(points), bool)
    for low, high in bands:
        band = (radius > low) & (radius <= high)
        if band.any():
            near |= np.isfinite(cKDTree(line[band]).query(points, distance_upper_bound=high + clear_mm)[0])
    return near
