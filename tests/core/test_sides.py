"""Air that comes apart is shared as a distance transform would share it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from millet.core import sides
from millet.core.sides import told_apart


def two_balls(apart, radius=14, shape=(40, 40, 90)):
    """Two balls side by side that overlap, each with a rough surface and a crumb far away."""
    z, y, x = np.indices(shape)
    right = (z - 20) ** 2 + (y - 20) ** 2 + (x - 30) ** 2 <= radius**2
    left = (z - 20) ** 2 + (y - 20) ** 2 + (x - 30 - apart) ** 2 <= radius**2
    rough = np.random.default_rng(apart).random(shape) < 0.02
    air = (right | left) & ~rough
    air[1:3, 1:3, 80:83] = True
    return air


def by_distance(air, seeds):
    """Every voxel of air gets the label of scipy's nearest seed."""
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return np.where(air, seeds[tuple(nearest)], 0)


@pytest.mark.parametrize("apart", [16, 20, 24, 30])
def test_touching_bodies_are_shared_by_distance(apart, monkeypatch):
    """The shares are scipy's, ties included; the part farther right is 1."""
    seen = []
    shared = sides._shared
    monkeypatch.setattr(sides, "_shared", lambda air, seeds: seen.append(seeds) or shared(air, seeds))
    air = two_balls(apart)
    labels = told_apart(air)
    assert np.array_equal(labels > 0, air)
    assert np.array_equal(labels, by_distance(air, seen[0]))
    columns = [np.nonzero(labels == label)[2].mean() for label in (1, 2)]
    assert columns[0] < columns[1]


@pytest.mark.parametrize("seed", range(8))
def test_ties_go_as_in_a_distance_transform(seed):
    """Seeds at random, a few and many: as many ties as chance gives, and voxels far from every seed."""
    random = np.random.default_rng(seed)
    shape = (14, 18, 60)
    seeds = (random.random(shape) < [0.0005, 0.003, 0.02, 0.1][seed % 4]).astype(np.uint8)
    seeds[seeds > 0] = random.integers(1, 3, int(seeds.sum()))
    seeds[3, 4, 5], seeds[3, 4, 15] = 1, 2
    air = (random.random(shape) < 0.7) | (seeds > 0)
    assert np.array_equal(sides._shared(air, seeds), by_distance(air, seeds))


def test_what_stands_alone_is_not_two():
    """One body, and two that lie one above the other."""
    z, y, x = np.indices((60, 30, 30))
    ball = (y - 15) ** 2 + (x - 15) ** 2 + (z - 15) ** 2 <= 12**2
    other = (y - 15) ** 2 + (x - 15) ** 2 + (z - 44) ** 2 <= 12**2
    assert told_apart(ball) is None
    assert told_apart(ball | other) is None
