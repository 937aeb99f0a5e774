from __future__ import annotations

import numpy as np
import pytest
from masks import places_in, two_lungs

from millet.core.ground import ground
from millet.core.shells import FEWEST, shell, slope, vessel_ratio

RNG = np.random.default_rng(6)
NONE = np.zeros((0, 3)), np.zeros(0)


def test_the_share_of_chance_is_that_of_the_places():
    """For one size of nodule: the places nearer than its radius and the shell, of those that hold it."""
    depth = np.linspace(0.0, 20.0, 2001)
    found = shell(np.asarray([2.0, 4.0, 9.0, 15.0]), depth, np.full(4, 2.0), depth, near_mm=3.0)
    assert found.found == 0.5
    assert found.chance == pytest.approx((5.0 - 1.4) / (20.0 - 1.4), abs=0.002)
    assert found.ratio == pytest.approx(0.5 / found.chance)


def test_large_nodules_reach_farther():
    """The edge counts, not the centre, for nodules and for places alike."""
    depth = RNG.uniform(0, 20, 5000)
    small, large = (shell(depth, depth, np.full(5000, r), depth) for r in (0.5, 4.0))
    assert large.found > small.found
    assert large.chance > small.chance


def test_random_nodules_have_the_share_of_chance():
    """Among many random nodules that lie within the lung, the ratio is 1."""
    made = ground(two_lungs(), *NONE)
    depths = made.depths(places_in(two_lungs(), 6000, RNG))
    radii = np.full(len(depths), 1.5)[depths >= 0.7 * 1.5]
    held = depths[depths >= 0.7 * 1.5]
    assert shell(held, made.depth_mm, radii, made.depth_mm).ratio == pytest.approx(1.0, abs=0.06)


def test_nothing_found_and_no_chance_have_no_ratio():
    """No nodules have share 0; where chance puts none there is no ratio."""
    depth = np.asarray([10.0, 12.0])
    assert shell(np.zeros(0), depth, np.zeros(0), depth).ratio is None
    assert shell(np.asarray([9.0]), depth, np.asarray([1.0]), depth).ratio is None


def test_nodules_on_vessels_are_nearer_to_them_than_chance():
    """Nodules against a vessel have a ratio far below 1, random ones about 1; without vessels none has."""
    made = ground(two_lungs(), *NONE)
    z = np.linspace(-50, 50, 30)
    beside = np.stack([0 * z - 58 + 5.0, 0 * z, z], axis=1)
    assert vessel_ratio(made, beside, np.full(30, 1.5)) < 0.3
    assert vessel_ratio(made, places_in(two_lungs(), 2000, RNG), np.full(2000, 1.5)) == pytest.approx(
        1, abs=0.1
    )
    bare = ground(two_lungs(vessel_mm=-1.0), *NONE)
    assert bare.vessels is None
    assert vessel_ratio(bare, beside, np.full(30, 1.5)) is None


@pytest.mark.parametrize("true", [-2.0, 0.0, 1.5])
def test_a_slope_is_found_again(true):
    """Of places taken with density exp(b t), b comes back, whatever the shape that t is taken from."""
    shape = RNG.beta(2, 3, 60_000)
    places, pool = shape[:30_000], shape[30_000:]
    kept = pool[RNG.uniform(size=len(pool)) < np.exp(true * pool - max(true, 0.0))]
    assert slope(kept, places) == pytest.approx(true, abs=0.15)


def test_a_slope_of_few_or_of_an_edge_is_bounded():
    """Too few nodules have none; all in one corner is steep, and finite."""
    places = RNG.uniform(size=500)
    assert slope(np.full(FEWEST - 1, 0.5), places) is None
    assert slope(np.full(100, 1.0), places) == pytest.approx(20.0)
