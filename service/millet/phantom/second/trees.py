"""Trees that grow into space: airways first, arteries beside them, veins in between.

Theory of operation. Space colonisation (Runions et al., Eurographics Workshop on Natural Phenomena,
2007): attractors stand in the lung; each pulls at the nearest node of a tree; a node that is pulled
grows a step towards the mean of its pulls; an attractor that is reached is gone. Coarse attractors
first give the long conduits, finer ones their side branches. Each lobe has its own trees, none of
which crosses a fissure. Arteries begin as the airways, moved aside, and go on to the finest
attractors; veins have attractors of their own, half way between those of the arteries, and drain to
the left atrium. Widths follow from the tips by Murray's law with exponents that meet the widths of
the main arteries and bronchi (2.35: Singhal et al., Circ Res 33:190, 1973; 2.7 for airways).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.geometry import Floats

Ints = NDArray[np.int64]
APART_MM = 2000.0
"""Groups grow this far from each other, so that no attractor pulls at another group's tree."""
INERTIA = 0.55
SWAY = 0.32
MOST_CHILDREN = 3
PATIENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """N nodes: places in mm, parents (-1 at a root, else a lower number), group, radius in mm."""

    place_mm: Floats
    parent: Ints
    group: Ints
    radius_mm: Floats

    @property
    def edges(self) -> Ints:
        """The nodes that have a parent."""
        return np.flatnonzero(self.parent >= 0)

    @property
    def tips(self) -> Ints:
        """The nodes without children."""
        has = np.zeros(len(self.parent), bool)
        has[self.parent[self.parent >= 0]] = True
        return np.flatnonzero(~has)


@dataclass(slots=True, kw_only=True, eq=False)
class _Growth:
    """The state of a growing forest; groups are moved apart along x."""

    place: Floats
    parent: Ints
    group: Ints
    heading: Floats
    children: Ints


def grow(
    seeds: Tree,
    levels: Sequence[tuple[float, Floats, Ints]],
    rng: np.random.Generator,
) -> Tree:
    """Let a forest grow to attractors, coarse to fine.

    Each level is (spacing mm, attractors (M, 3), groups (M,)). The radii of what comes back are 0.
    """
    parent = seeds.parent
    before = seeds.place_mm[np.where(parent >= 0, parent, np.arange(len(parent)))]
    along = seeds.place_mm - before
    state = _Growth(
        place=_apart(seeds.place_mm, seeds.group),
        parent=parent,
        group=seeds.group,
        heading=along / np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None],
        children=np.bincount(parent[parent >= 0], minlength=len(parent)),
    )
    for spacing_mm, attractors, groups in levels:
        if len(attractors):
            _reach(state, _apart(attractors, groups), float(np.clip(spacing_mm * 0.22, 1.0, 2.6)), rng)
    return Tree(
        place_mm=_apart(state.place, -state.group),
        parent=state.parent,
        group=state.group,
        radius_mm=np.zeros(len(state.parent)),
    )


def _apart(places_mm: Floats, group: Ints) -> Floats:
    moved = np.array(places_mm, float)
    moved[:, 0] += APART_MM * group
    return moved


def _reach(state: _Growth, attractors: Floats, step_mm: float, rng: np.random.Generator) -> None:
    """Grow until every attractor is reached or given up."""
    far, near = cKDTree(state.place).query(attractors)
    alive = far > 1.2 * step_mm
    stuck = np.zeros(len(attractors), np.int64)
    for _ in range(400):
        acting = np.flatnonzero(alive)
        if not len(acting):
            return
        source, pull = _pulls(state, attractors[acting], near[acting])
        fresh = state.place[source] + step_mm * _directions(state.heading[source], pull, rng)
        first = len(state.parent)
        _append(state, fresh, source)
        distance, index = cKDTree(fresh).query(attractors[acting])
        closer = distance < far[acting] - 0.05 * step_mm
        near[acting[closer]] = first + index[closer]
        far[acting[closer]] = distance[closer]
        stuck[acting] = np.where(closer, 0, stuck[acting] + 1)
        full = state.children[near[acting]] >= MOST_CHILDREN
        alive[acting] = (far[acting] > 1.2 * step_mm) & (stuck[acting] < PATIENCE) & ~full


def _pulls(state: _Growth, attractors: Floats, near: Ints) -> tuple[Ints, Floats]:
    """The pulled nodes and the mean direction of their pulls."""
    source, inverse = np.unique(near, return_inverse=True)
    way = attractors - state.place[near]
    way /= np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None]
    pull = np.stack([np.bincount(inverse, way[:, k], len(source)) for k in range(3)], axis=1)
    return source, pull / np.maximum(np.linalg.norm(pull, axis=1), 1e-6)[:, None]


def _directions(heading: Floats, pull: Floats, rng: np.random.Generator) -> Floats:
    way = pull + INERTIA * heading + SWAY * rng.standard_normal(pull.shape)
    return np.asarray(way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None])


def _append(state: _Growth, fresh: Floats, source: Ints) -> None:
    way = fresh - state.place[source]
    state.children = np.concatenate([state.children, np.zeros(len(source), np.int64)])
    state.children[source] += 1
    state.place = np.concatenate([state.place, fresh])
    state.parent = np.concatenate([state.parent, source])
    state.group = np.concatenate([state.group, state.group[source]])
    state.heading = np.concatenate([state.heading, way / np.linalg.norm(way, axis=1)[:, None]])


def murray(tree: Tree, tip_mm: Floats, exponent: float) -> Floats:
    """Radii (N,) from the radii of the tips: r^n of a node is the sum over its children."""
    power = np.zeros(len(tree.parent))
    power[tree.tips] = tip_mm**exponent
    total, parents = power.tolist(), tree.parent.tolist()
    for node in range(len(total) - 1, -1, -1):  # children come after their parents
        if parents[node] >= 0:
            total[parents[node]] += total[node]
    return np.asarray(np.asarray(total) ** (1 / exponent))


def smooth(tree: Tree, times: int) -> Floats:
    """Places with each node drawn towards the middle of its parent and its widest child; ends stay."""
    child = np.full(len(tree.parent), -1)
    edges = tree.edges
    order = edges[np.argsort(tree.radius_mm[edges], kind="stable")]
    child[tree.parent[order]] = order  # the widest is written last
    inner = (tree.parent >= 0) & (child >= 0)
    place = tree.place_mm.copy()
    for _ in range(times):
        middle = (place[tree.parent[inner]] + place[child[inner]]) / 2
        place[inner] = 0.5 * place[inner] + 0.5 * middle
    return place
