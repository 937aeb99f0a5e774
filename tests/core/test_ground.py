from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from masks import places_in, two_lungs

from millet.core.ground import PLACES, ground, reference_places

lungs = cache(two_lungs)
NONE = np.zeros((0, 3)), np.zeros(0)


def test_reference_places_are_even_and_a_function_of_the_mask():
    """They lie in the lungs, as many in each part as it has of the whole, and always the same."""
    places = reference_places(lungs())
    assert len(places) == PLACES
    assert np.array_equal(places, reference_places(two_lungs()))
    assert (lungs().at(places) > 0).all()
    share = np.mean(lungs().at(places) == 1)
    assert share == pytest.approx(lungs().litres.right_l / lungs().litres.total_l, abs=0.01)
    assert np.mean(places[:, 2] > 0) == pytest.approx(0.5, abs=0.01)


def test_depth_is_measured_from_the_surface():
    """In the right ellipsoid the depth along x is that of its equation, to half a voxel; outside it is 0."""
    x = np.asarray([-106.0, -100.0, -90.0, -70.0])
    points = np.stack([x, 0 * x, 0 * x], axis=1)
    depths = ground(lungs(), *NONE).depths(points)
    assert depths == pytest.approx([2.0, 8.0, 18.0, 38.0], abs=1.0)
    outside = np.asarray([[0.0, 200.0, 0.0], [-112.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert ground(lungs(), *NONE).depths(outside) == pytest.approx([0.0, 0.0, 0.0])


def test_vessels_are_the_bright_voxels_that_no_nodule_explains():
    """A tube of 3 mm radius is a vessel; a bright ball is one too, unless a nodule is known to be there."""
    with_ball = replace(lungs(), hu=lungs().hu.copy())
    centre = np.asarray([[-80.0, 20.0, 10.0]])
    z, y, x = np.rint(lungs().grid.to_index_array(centre)[0]).astype(int)
    with_ball.hu[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 40.0
    axis = np.asarray([[-58.0, -30.0, 0.0]])
    assert ground(with_ball, *NONE).vessel_distances(axis) == pytest.approx(27.0, abs=2.5)
    assert ground(with_ball, *NONE).vessel_distances(centre) < 2.0
    known = ground(with_ball, centre, np.asarray([7.0]))
    assert known.vessel_distances(centre) == pytest.approx(np.hypot(22.0, 20.0) - 3.0, abs=2.0)


def test_no_place_lies_in_a_vessel_or_a_mass():
    """Neither reference places nor drawn ones."""
    mass = np.asarray([[58.0, 30.0, 0.0]])
    found = ground(lungs(), mass, np.asarray([30.0]), mass, np.asarray([30.0]))
    drawn = found.drawn(5, places_in(lungs(), 400, np.random.default_rng(1))).reshape(-1, 3)
    for places in (found.places_mm, drawn):
        assert (lungs().at(places) > 0).all()
        assert (np.hypot(np.abs(places[:, 0]) - 58.0, places[:, 1]) > 1.0).all()
        assert np.linalg.norm(places - mass, axis=1).min() > 13.0
    assert np.array_equal(reference_places(lungs())[found.kept], found.places_mm)


@pytest.mark.parametrize("spared", [True, False])
def test_no_more_are_drawn_at_the_rim_than_were_found(spared):
    """Where the rim is spared, so is it in what is drawn; where it is crowded, what is drawn is even."""
    made = ground(lungs(), *NONE)
    places = places_in(lungs(), 3000, np.random.default_rng(2))
    deep = made.depths(places)
    chosen = places[deep > 4.0][:300] if spared else np.concatenate([places[deep < 1.5][:200], places[:100]])
    share = [np.mean(made.depths(pattern) < 1.0) for pattern in made.drawn(20, chosen)]
    even = np.mean(made.depths(places) < 1.0)
    assert np.mean(share) < 0.1 * even if spared else np.mean(share) == pytest.approx(even, rel=0.25)


def test_without_lungs_there_is_no_ground():
    """An empty mask is refused, and has no places."""
    empty = replace(lungs(), label=np.zeros_like(lungs().label))
    assert not len(reference_places(empty))
    with pytest.raises(ValueError, match="without lungs"):
        ground(empty, *NONE)
