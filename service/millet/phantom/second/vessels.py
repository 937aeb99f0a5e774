"""The lung's tubes: airways from the trachea on, arteries and veins down to 0.3 mm, and their walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.phantom.second import clouds, fields, trees
from millet.phantom.second.anatomy import LOBES, TRACHEA, Chest
from millet.phantom.second.clouds import Cloud
from millet.phantom.second.trees import Ints, Tree

AIRWAY_TIP_MM, AIRWAY_EXPONENT = 0.5, 2.7
VESSEL_TIP_MM, VESSEL_EXPONENT = 0.15, 2.35
"""Radii of the tips, and the exponents of Murray's law."""
AIRWAY_SPACING_MM = (28.0, 14.0)
VESSEL_SPACING_MM = (9.0, 6.0)
WALL_HU, LUMEN_HU, BLOOD_HU, CONTRAST_HU = 15.0, -985.0, 48.0, 240.0
MAINS = {
    "right": ([(3, 24, 46), (-13, 22, 31), (-30, 18, 17)], [7.8, 7.2, 6.6]),
    "intermediate": ([(-30, 18, 17), (-36, 15, 4), (-38, 13, -8)], [5.4, 5.2, 5.0]),
    "left": ([(3, 24, 46), (20, 25, 30), (43, 20, 13)], [7.2, 6.4, 5.8]),
}
BRONCHI = (
    [(-21, 20, 24), (-34, 17, 29), (-46, 15, 34)],
    [(-38, 13, -8), (-45, 0, -14), (-54, -12, -20)],
    [(-38, 13, -8), (-43, 18, -22), (-48, 24, -36)],
    [(43, 20, 13), (53, 8, 16), (60, -2, 22)],
    [(43, 20, 13), (48, 24, -4), (52, 30, -20)],
)
"""Lobar bronchi, in the order of LOBES."""
ARTERY_STARTS = ((-36, 5, 17), (-40, 6, 12), (-40, 6, 12), (46, 8, 26), (48, 12, 24))
VEINS = (
    [(-20, 6, -6), (-38, -2, 2), (-52, -6, 14)],
    [(-20, 4, -10), (-40, -8, -10), (-56, -18, -14)],
    [(-20, 14, -18), (-38, 24, -26), (-50, 30, -40)],
    [(28, 4, -4), (46, -6, 4), (58, -12, 18)],
    [(28, 14, -16), (44, 24, -24), (54, 32, -36)],
)
BESIDE = np.asarray([0.25, -0.6, 0.75])
"""Where the artery lies from its bronchus, as far as the bronchus allows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vessels:
    """The trees of both lungs in patient mm; groups are lobes from 0; `mains` are the large airways."""

    airways: Tree
    arteries: Tree
    veins: Tree
    mains: tuple[tuple[Floats, Floats], ...]


def vessels(chest: Chest, rng: np.random.Generator) -> Vessels:
    """Grow airways, arteries and veins.

    The large airways of a small chest shrink less than it does, so that the trachea can still be told.
    """
    f, scale = chest.frame, chest.frame.scale
    shrink = scale**0.6
    places = [(s * shrink, *_attractors(chest, s * shrink, 0.0, rng)) for s in AIRWAY_SPACING_MM]
    airways = trees.grow(_seeds(chest, BRONCHI), places, rng)
    airways = _sized(airways, AIRWAY_TIP_MM, AIRWAY_EXPONENT, rng, smoothing=3)
    arteries = trees.grow(
        _beside(airways, chest), [(s, *_attractors(chest, s, 0.0, rng)) for s in VESSEL_SPACING_MM], rng
    )
    spacings = [s * shrink for s in AIRWAY_SPACING_MM] + list(VESSEL_SPACING_MM)
    veins = trees.grow(_seeds(chest, VEINS), [(s, *_attractors(chest, s, 0.5, rng)) for s in spacings], rng)
    return Vessels(
        airways=airways,
        arteries=_sized(arteries, VESSEL_TIP_MM, VESSEL_EXPONENT, rng, smoothing=2),
        veins=_sized(veins, VESSEL_TIP_MM, VESSEL_EXPONENT, rng, smoothing=2),
        mains=tuple(
            (f.to_patient(line), radius * scale**0.25)
            for line, radius in (
                fields.curve(TRACHEA, [8.6, 8.6, 8.8]),
                *(fields.curve(path, radii) for path, radii in MAINS.values()),
            )
        ),
    )


def _attractors(
    chest: Chest, spacing_mm: float, shift: float, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """A jittered lattice in the lungs, clear of pleura and fissures; groups are lobes from 0.

    Lattices whose `shift` differs by a half lie between each other.
    """
    grid = chest.frame.grid
    low = np.asarray(grid.origin_mm)
    high = low + (np.asarray(grid.shape[::-1]) - 1) * np.asarray(grid.spacing_mm[::-1])
    lines = [np.arange(a + shift * spacing_mm, b, spacing_mm) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    lattice = lattice + rng.uniform(-0.36, 0.36, lattice.shape) * spacing_mm
    margin = np.clip(0.25 * spacing_mm, 1.5, 4.0)
    near = (chest.lung_at(lattice) > margin) & (chest.fissure_at(lattice) > margin * 0.8)
    kept = lattice[near]
    voxel = np.rint(grid.to_index_array(kept)).astype(int)
    lobe = chest.lobe[tuple(voxel.T)].astype(np.int64)
    return kept[lobe > 0], lobe[lobe > 0] - 1


def _seeds(chest: Chest, paths: tuple[fields.Path3, ...]) -> Tree:
    """One short stem a lobe."""
    places, parents, groups = [], [], []
    count = 0
    for lobe in range(len(LOBES)):
        line = chest.frame.to_patient(fields.curve(paths[lobe], [1.0])[0])
        places.append(line)
        parents.append(np.concatenate([[-1], count + np.arange(len(line) - 1)]))
        groups.append(np.full(len(line), lobe))
        count += len(line)
    return Tree(
        place_mm=np.concatenate(places),
        parent=np.concatenate(parents).astype(np.int64),
        group=np.concatenate(groups),
        radius_mm=np.zeros(count),
    )


def _sized(tree: Tree, tip_mm: float, exponent: float, rng: np.random.Generator, *, smoothing: int) -> Tree:
    """The same tree with its widths, its bends smoothed."""
    tips = tip_mm * np.exp(rng.normal(0, 0.15, len(tree.tips)))
    sized = Tree(
        place_mm=tree.place_mm,
        parent=tree.parent,
        group=tree.group,
        radius_mm=trees.murray(tree, tips, exponent),
    )
    return Tree(
        place_mm=trees.smooth(sized, smoothing),
        parent=tree.parent,
        group=tree.group,
        radius_mm=sized.radius_mm,
    )


def _beside(airways: Tree, chest: Chest) -> Tree:
    """The airways moved aside, each lobe's beginning at its pulmonary artery: stems for arteries."""
    parent = np.where(airways.parent >= 0, airways.parent, np.arange(len(airways.parent)))
    way = airways.place_mm - airways.place_mm[parent]
    for _ in range(4):  # the direction changes slowly along a bronchus
        way = 0.4 * way + 0.6 * way[parent]
    way /= np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None]
    side = np.where(airways.place_mm[:, :1] > 0, 1.0, -1.0)
    aim = BESIDE * np.concatenate([side, np.ones((len(side), 2))], axis=1)
    aside = aim - (aim * way).sum(axis=1, keepdims=True) * way
    aside /= np.maximum(np.linalg.norm(aside, axis=1), 1e-3)[:, None]
    moved = airways.place_mm + aside * (2.0 * airways.radius_mm + wall_mm(airways.radius_mm) + 0.2)[:, None]
    starts = chest.frame.to_patient(np.asarray(ARTERY_STARTS, float))
    lobes = len(LOBES)
    return Tree(
        place_mm=np.concatenate([starts, moved]),
        parent=np.concatenate(
            [
                np.full(lobes, -1),
                np.where(airways.parent >= 0, airways.parent + lobes, airways.group),
            ]
        ).astype(np.int64),
        group=np.concatenate([np.arange(lobes), airways.group]),
        radius_mm=np.zeros(lobes + len(moved)),
    )


def wall_mm(lumen_radius_mm: Floats) -> Floats:
    """The wall of an airway: 0.3 mm where CT loses it, 1.2 mm at a main bronchus."""
    return np.asarray(0.2 + 0.15 * np.minimum(lumen_radius_mm, 6.5))


def drawn(tree: Tree, extra_mm: Floats | float, hu: float) -> Cloud:
    """A tree's tubes, wider by `extra_mm` (N,); a branch keeps its own width at its parent's side."""
    edges = tree.edges
    width = tree.radius_mm + extra_mm
    start = np.minimum(width[tree.parent[edges]], 1.15 * width[edges])
    return clouds.tubes(
        tree.place_mm[tree.parent[edges]],
        tree.place_mm[edges],
        np.stack([start, width[edges]], axis=1),
        hu,
    )


def blood(found: Vessels, *, contrast: bool) -> Cloud:
    """Arteries and veins."""
    hu = CONTRAST_HU if contrast else BLOOD_HU
    return clouds.together([drawn(found.arteries, 0.0, hu), drawn(found.veins, 0.0, hu)])


def air_passages(found: Vessels) -> tuple[Cloud, Cloud]:
    """The walls (with what they hold) and the lumens of all airways.

    The walls of the large ones are of full thickness in a small chest, too, lest the lung leak into them.
    """
    walls = [drawn(found.airways, wall_mm(found.airways.radius_mm), WALL_HU)]
    lumens = [drawn(found.airways, 0.0, LUMEN_HU)]
    for line, radius in found.mains:
        pair = np.stack([radius[:-1], radius[1:]], axis=1)
        walls.append(clouds.tubes(line[:-1], line[1:], pair + wall_mm(np.full(1, 7.0)), WALL_HU))
        lumens.append(clouds.tubes(line[:-1], line[1:], pair, LUMEN_HU))
    return clouds.together(walls), clouds.together(lumens)
