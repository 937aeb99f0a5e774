"""Arteries, veins and airways: trees that fill both lungs, with published counts and diameters.

Theory of operation. A tree is grown as in Tawhai, Pullan and Hunter (Ann Biomed Eng 28:793, 2000):
points are spread evenly through a lung; a branch owns a set of them, its set is split in two by a
plane, and each daughter goes part of the way to the middle of its half, until a set is one point.
The number of end branches is that of Horsfield order 9 in the arterial casts of Singhal et al. (Circ
Res 33:190, 1973): 5861 in both lungs, 0.525 mm wide. Their table (`ARTERIES`) follows
D = 0.525 n^(1/2.34) within a sixth, n being the number of end branches downstream, so that is
the width of every branch; it makes tapering smooth and the flow at a branch point consistent. Veins
have a tree of their own between the arteries, by the same table (Horsfield and Gordon, Lung 159:211,
1981, found a similar one; its figures were not at hand). Airways run beside the arteries, as wide as
Weibel's model A (1963, `AIRWAYS`) has them at the generation 2^z = 1 / (share of the lungs served).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.phantom.anatomy import Chest

ARTERIES = {
    16: (3, 14.83, 32.0),
    15: (8, 8.06, 10.9),
    14: (20, 5.82, 20.7),
    13: (66, 3.65, 17.9),
    12: (203, 2.09, 10.5),
    11: (675, 1.33, 6.6),
    10: (2290, 0.85, 4.69),
    9: (5861, 0.525, 3.16),
}
"""Horsfield order: branches, diameter in mm, length in mm (Singhal 1973, quoted second-hand)."""
AIRWAYS = (18.0, 12.2, 8.3, 5.6, 4.5, 3.5, 2.8, 2.3, 1.86, 1.54, 1.3)
"""Lumen diameter in mm of generations 0 to 10 (Weibel 1963, model A, quoted second-hand)."""
SWAY_SPREAD = 0.45
"""Spread (log-normal) of how much branches wind. No published figure: chosen so that the analytic
detector's false findings per litre are those of real lungs, with seed 0 in view (bench/first_detector)."""
END_BRANCHES = ARTERIES[9][0]
END_MM = ARTERIES[9][1]
EXPONENT = 2.34
RIGHT_SHARE = 0.54
LAST_AIRWAY = 9.0
"""The last generation whose lumen a CT can show."""
ARTERY_ROOTS = ((-36.0, 2.0, 12.0), (38.0, 10.0, 20.0))
VEIN_ROOTS = ((-36.0, 6.0, -14.0), (36.0, 12.0, -12.0))
TRACHEA = [(0.0, 22.0, 152.0), (-1.0, 24.0, 100.0), (1.0, 20.0, 44.0)]
BRONCHI = ([(1.0, 20.0, 44.0), (-18.0, 17.0, 30.0), (-36.0, 12.0, 18.0)],
           [(1.0, 20.0, 44.0), (22.0, 20.0, 26.0), (40.0, 18.0, 12.0)])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Branches:
    """B straight pieces of tubes in mm, float64: ends (B, 3) as (x, y, z), radii (B, 2)."""

    start_mm: Floats
    end_mm: Floats
    radius_mm: Floats

    def joined(self, other: Branches) -> Branches:
        """Both."""
        return Branches(
            start_mm=np.concatenate([self.start_mm, other.start_mm]),
            end_mm=np.concatenate([self.end_mm, other.end_mm]),
            radius_mm=np.concatenate([self.radius_mm, other.radius_mm]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """B branches from root to tip: ends in mm, parent (-1 at a root), end branches downstream."""

    start_mm: Floats
    end_mm: Floats
    parent: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def diameter_mm(self) -> Floats:
        """The width of each branch, by the number of end branches it feeds (Singhal 1973)."""
        return np.asarray(END_MM * self.ends ** (1 / EXPONENT), float)


def grow_pair(chest: Chest, roots: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> Tree:
    """One tree in each lung, as one value."""
    trees = []
    for side, root, share in zip((-1, 1), roots, (RIGHT_SHARE, 1 - RIGHT_SHARE), strict=True):
        count = max(int(END_BRANCHES * share * chest.scale**3), 20)
        trees.append(_grow(np.asarray(root) * chest.scale, _targets(chest, side, count, rng), rng))
    right, left = trees
    return Tree(
        start_mm=np.concatenate([right.start_mm, left.start_mm]),
        end_mm=np.concatenate([right.end_mm, left.end_mm]),
        parent=np.concatenate([right.parent, np.where(left.parent < 0, -1, left.parent + len(right.parent))]),
        ends=np.concatenate([right.ends, left.ends]),
    )


def _targets(chest: Chest, side: int, count: int, rng: np.random.Generator) -> Floats:
    """`count` points spread evenly through one lung, 2 mm and more below its surface."""
    inside = np.argwhere((chest.lung < -2.0 * chest.scale) & (chest.mass > 1.0)).astype(float)
    points = chest.grid.to_patient_array(inside)
    points = points[points[:, 0] * side > 0]
    step = (len(points) * chest.grid.voxel_mm3 / count) ** (1 / 3)
    cell = np.floor((points + rng.uniform(0, step, 3)) / step).astype(np.int64)
    order = rng.permutation(len(points))
    _, first = np.unique(cell[order], axis=0, return_index=True)
    chosen = order[first]
    spare = np.setdiff1d(order, chosen)
    extra = rng.choice(spare, max(count - len(chosen), 0), replace=False)
    chosen = np.concatenate([rng.permutation(chosen)[:count], extra])
    return np.asarray(
        points[chosen] + rng.uniform(-0.5, 0.5, (len(chosen), 3)) * chest.grid.spacing_mm[0], float
    )


def _grow(root: Floats, targets: Floats, rng: np.random.Generator) -> Tree:
    starts: list[Floats] = []
    ends: list[Floats] = []
    parents: list[int] = []
    counts: list[int] = []
    heading = targets.mean(axis=0) - root
    waiting = [(root, heading / np.linalg.norm(heading), targets, -1)]
    while waiting:
        start, heading, own, parent = waiting.pop()
        end = _branch_end(start, heading, own, rng)
        at = len(starts)
        starts.append(start)
        ends.append(end)
        parents.append(parent)
        counts.append(len(own))
        if len(own) > 1:
            way = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
            waiting.extend((end, way, half, at) for half in _halves(own, way, end, rng))
    return Tree(
        start_mm=np.asarray(starts),
        end_mm=np.asarray(ends),
        parent=np.asarray(parents),
        ends=np.asarray(counts),
    )


def _branch_end(start: Floats, heading: Floats, own: Floats, rng: np.random.Generator) -> Floats:
    """Part of the way to the middle of the points, turning by no more than about 60 degrees."""
    if len(own) == 1:
        return np.asarray(start + (own[0] - start) * rng.uniform(0.8, 1.0), float)
    way = own.mean(axis=0) - start
    length = max(float(np.linalg.norm(way)), 1e-6)
    along = float(way @ heading) / length
    if along < 0.5:
        aside = way / length - along * heading
        way = length * (0.5 * heading + 0.866 * aside / max(float(np.linalg.norm(aside)), 1e-6))
    return np.asarray(start + way * rng.uniform(0.38, 0.54), float)


def _halves(own: Floats, way: Floats, end: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Split across the direction in which the points spread most beside the branch."""
    offset = own - end
    aside = offset - np.outer(offset @ way, way)
    normal = np.linalg.eigh(aside.T @ aside)[1][:, 2] + rng.normal(0, 0.25, 3)
    place = own @ normal
    share = rng.uniform(0.1, 0.9)
    cut_at = min(max(round(len(own) * share), 1), len(own) - 1)
    order = np.argsort(place)
    return own[order[:cut_at]], own[order[cut_at:]]


def tubes(tree: Tree, rng: np.random.Generator) -> Branches:
    """Bend each branch a little and let it taper towards its wider daughter's width."""
    radius = tree.diameter_mm / 2
    tip = np.zeros(len(radius))
    has_parent = tree.parent >= 0
    np.maximum.at(tip, tree.parent[has_parent], radius[has_parent])
    tip = np.where(tip > 0, np.minimum(0.3 * tip + 0.7 * radius, radius), radius * 0.9)
    return _bent(tree, radius, tip, rng)


def _bent(tree: Tree, radius: Floats, tip: Floats, rng: np.random.Generator, pieces: int = 4) -> Branches:
    along = tree.end_mm - tree.start_mm
    length = np.linalg.norm(along, axis=1)
    sway = rng.normal(size=(2, *along.shape)) * np.exp(rng.normal(0, SWAY_SPREAD, (len(length), 1)))
    sway -= (sway * along).sum(-1, keepdims=True) / np.maximum(length, 1e-6)[:, None] ** 2 * along
    t = np.linspace(0, 1, pieces + 1)
    bend = (
        0.08 * np.sin(np.pi * t)[:, None, None] * sway[0]
        + 0.045 * np.sin(2 * np.pi * t)[:, None, None] * sway[1]
    )
    points = tree.start_mm + t[:, None, None] * along + bend * np.minimum(length, 30)[:, None]
    width = radius + t[:, None] * (tip - radius)
    return Branches(
        start_mm=points[:-1].reshape(-1, 3),
        end_mm=points[1:].reshape(-1, 3),
        radius_mm=np.stack([width[:-1].ravel(), width[1:].ravel()], axis=1),
    )


def airways(arteries: Tree, chest: Chest, rng: np.random.Generator) -> Branches:
    """The lumens: trachea, main bronchi, and one bronchus beside each artery that has one."""
    roots, scale = arteries.parent < 0, chest.scale
    share = arteries.ends / arteries.ends[roots].sum()
    generation = np.log2(1 / share)
    kept = generation <= LAST_AIRWAY
    lumen = np.interp(generation, range(len(AIRWAYS)), AIRWAYS) * scale
    wall = wall_mm(lumen / 2)
    gap = 0.9 * (arteries.diameter_mm / 2 + lumen / 2 + wall) * kept
    sideways = np.asarray([0.35, 0.75, -0.55])
    beside = Tree(
        start_mm=arteries.start_mm + gap[np.maximum(arteries.parent, 0), None] * sideways,
        end_mm=arteries.end_mm + gap[:, None] * sideways,
        parent=arteries.parent,
        ends=arteries.ends,
    )
    bent = _bent(beside, lumen / 2, lumen / 2 * 0.9, rng)
    mask = np.tile(kept, 4) & (chest.sample(chest.lung, bent.end_mm) < 1.0)
    small = Branches(start_mm=bent.start_mm[mask], end_mm=bent.end_mm[mask], radius_mm=bent.radius_mm[mask])
    firsts = beside.start_mm[roots]
    return small.joined(_large(firsts, scale))


def _large(firsts: Floats, scale: float) -> Branches:
    lines = [(TRACHEA, AIRWAYS[0] / 2)]
    lines += [
        ([*line[:-1], tuple(first / scale)], AIRWAYS[1] / 2)
        for line, first in zip(BRONCHI, firsts, strict=True)
    ]
    start = np.asarray([p for line, _ in lines for p in line[:-1]], float) * scale
    end = np.asarray([p for line, _ in lines for p in line[1:]], float) * scale
    radius = np.asarray([r for line, r in lines for _ in line[1:]], float) * scale
    return Branches(start_mm=start, end_mm=end, radius_mm=np.stack([radius, radius], axis=1))


def wall_mm(lumen_radius_mm: Floats) -> Floats:
    """Wall thickness: about 1 mm at a segmental bronchus, a third of that where CT loses it."""
    return np.asarray(0.25 + 0.16 * np.minimum(lumen_radius_mm, 6.0), float)


def with_walls(lumens: Branches) -> Branches:
    """The same airways with their walls."""
    return Branches(
        start_mm=lumens.start_mm, end_mm=lumens.end_mm, radius_mm=lumens.radius_mm + wall_mm(lumens.radius_mm)
    )


def orders(tree: Tree) -> NDArray[np.int64]:
    """Strahler order of each branch, the end branches having order 9, as in the table."""
    order = np.full(len(tree.parent), 9)
    top = np.zeros((len(tree.parent), 2), np.int64)  # highest order among the daughters, and how many have it
    for i in range(len(tree.parent) - 1, -1, -1):  # daughters come after their parents
        if top[i, 0]:
            order[i] = top[i, 0] + (top[i, 1] > 1)
        parent = tree.parent[i]
        if parent < 0:
            continue
        if order[i] > top[parent, 0]:
            top[parent] = order[i], 1
        elif order[i] == top[parent, 0]:
            top[parent, 1] += 1
    return order
