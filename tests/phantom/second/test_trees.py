from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from millet.phantom.second import trees
from millet.phantom.second.trees import Tree


def stem(*, groups=1):
    """A short stem a group, at the origin."""
    return Tree(
        place_mm=np.tile([[0.0, 0, 0], [0, 0, 2.0]], (groups, 1)),
        parent=np.asarray([value for g in range(groups) for value in (-1, 2 * g)]),
        group=np.repeat(np.arange(groups), 2),
        radius_mm=np.zeros(2 * groups),
    )


@pytest.fixture(scope="module")
def grown():
    """A tree grown into a ball of attractors, and these."""
    rng = np.random.default_rng(4)
    ball = rng.uniform((-20, -20, 10), (20, 20, 50), (600, 3))
    return trees.grow(stem(), [(5.0, ball, np.zeros(600, np.int64))], rng), ball


def test_nearly_every_attractor_is_reached(grown):
    """A branch ends near each attractor."""
    tree, ball = grown
    far, _ = cKDTree(tree.place_mm).query(ball)
    assert np.quantile(far, 0.97) < 2.0


def test_children_come_after_their_parents(grown):
    """Every node but the root hangs on an earlier one, a step away, with few siblings."""
    tree, _ = grown
    edges = tree.edges
    assert (tree.parent[edges] < edges).all()
    assert np.linalg.norm(tree.place_mm[edges[1:]] - tree.place_mm[tree.parent[edges[1:]]], axis=1) == (
        pytest.approx(1.1, abs=0.01)
    )
    assert np.bincount(tree.parent[edges]).max() <= trees.MOST_CHILDREN


def test_groups_do_not_mix():
    """Attractors of one group pull only at its own tree."""
    rng = np.random.default_rng(1)
    ball = rng.uniform((-10, -10, 10), (10, 10, 30), (100, 3))
    tree = trees.grow(stem(groups=2), [(5.0, ball, np.ones(100, np.int64))], rng)
    assert (tree.group == 0).sum() == 2
    assert (tree.group == 1).sum() > 50


def test_murrays_law_holds_at_every_branching(grown):
    """The power of a node's radius is the sum over its children."""
    tree, _ = grown
    tips = np.full(len(tree.tips), 0.2)
    radius = trees.murray(tree, tips, 2.35)
    total = np.zeros(len(radius))
    np.add.at(total, tree.parent[tree.edges], radius[tree.edges] ** 2.35)
    inner = total > 0
    assert radius[inner] ** 2.35 == pytest.approx(total[inner])
    assert radius[0] == pytest.approx(0.2 * len(tree.tips) ** (1 / 2.35))


def test_smoothing_keeps_the_ends(grown):
    """Bends become gentler, tips and root stay."""
    tree, _ = grown
    sized = Tree(
        place_mm=tree.place_mm,
        parent=tree.parent,
        group=tree.group,
        radius_mm=trees.murray(tree, np.full(len(tree.tips), 0.2), 2.35),
    )
    place = trees.smooth(sized, 3)
    assert np.array_equal(place[tree.tips], tree.place_mm[tree.tips])

    def length(places):
        return np.linalg.norm(places[tree.edges] - places[tree.parent[tree.edges]], axis=1).sum()

    assert length(place) < length(tree.place_mm)
