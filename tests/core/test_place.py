"""Places of nodules in ellipsoid lungs."""

from __future__ import annotations

from dataclasses import replace

import fissured
import numpy as np
import pytest

from millet.core.character import Lobe, Zone
from millet.core.lobes import Lobes, lobes_of
from millet.core.place import places, pleura_mm, zones

RIGHT, LEFT = (np.asarray(fissured.CENTRES[label]) for label in (1, 2))


@pytest.fixture(scope="module")
def chest():
    """A chest with few vessels and nodules."""
    return fissured.chest(seed=1, vessels=60, nodules=40)


@pytest.fixture(scope="module")
def lobes(chest) -> Lobes:
    """Its lobes."""
    return lobes_of(chest.planes, chest.grid, chest.lungs)


def test_thirds_of_each_lungs_height(chest):
    """Apex, middle and base of either lung; a point beside the lung is of the nearer one."""
    right, left = ([(0, 0, 60), (0, 0, 0), (0, 0, -60)], [(0, 0, 32), (80, 0, -31)])
    points = np.concatenate([np.add(RIGHT, right), np.add(LEFT, left)])
    assert zones(points, chest.lungs) == [
        Zone.UPPER,
        Zone.MIDDLE,
        Zone.LOWER,
        Zone.UPPER,
        Zone.LOWER,
    ]


def test_distances_are_from_the_edge(chest, lobes):
    """A larger nodule in the same place is nearer by the difference of the radii, and never less than 0."""
    points = np.asarray([np.add(LEFT, (0, 30, -20))] * 3)
    small, large, huge = places(points, [4.0, 10.0, 200.0], chest.lungs, lobes)
    assert small.pleura_mm - large.pleura_mm == pytest.approx(3.0)
    assert small.fissure_mm - large.fissure_mm == pytest.approx(3.0)
    assert (huge.pleura_mm, huge.fissure_mm) == (0.0, 0.0)


def test_pleura_of_a_smooth_lung_below_a_voxel(chest):
    """Beside an ellipsoid, whose last voxel ends half a mm inside it, it is right to a third of a mm."""
    depths = np.linspace(2, 30, 40)
    points = np.stack([np.add(LEFT, (fissured.HALF_MM[0] - 0.5 - d, 0, 0)) for d in depths])
    assert pleura_mm(points, chest.lungs) == pytest.approx(depths, abs=0.33)


def test_outside_the_lung_the_pleura_is_touched(chest, lobes):
    """A nodule whose middle lies in the wall has no distance left."""
    (place,) = places(np.add(LEFT, (fissured.HALF_MM[0] + 3.0, 0, 0)), [5.0], chest.lungs, lobes)
    assert place.pleura_mm == 0.0
    assert place.zone is Zone.MIDDLE


def test_the_zone_stands_in_where_there_is_no_lobe(chest, lobes):
    """With a fissure a lobe is named and the zone is no estimate; without it is."""
    point = LEFT - (0, 0, 50)
    (known,) = places(point, [3.0], chest.lungs, lobes)
    assert (known.lobe, known.zone, known.zone_estimated) == (Lobe.LEFT_LOWER, Zone.LOWER, False)
    unknown = replace(lobes, left=None)
    (place,) = places(point, [3.0], chest.lungs, unknown)
    assert (place.lobe, place.zone, place.zone_estimated) == (None, Zone.LOWER, True)
    assert place.fissure_mm is None
    assert place.pleura_mm == known.pleura_mm


def test_nothing_and_no_lungs(chest, lobes):
    """No nodules have no places; without lungs no pleura is measured."""
    assert places(np.empty((0, 3)), [], chest.lungs, lobes) == ()
    none = replace(
        chest.lungs,
        label=np.zeros_like(chest.lungs.label),
        litres=replace(chest.lungs.litres, right_l=0.0, left_l=0.0),
    )
    empty = Lobes(lungs=none, right=None, left=None, horizontal=None, litres={})
    (place,) = places(LEFT, [3.0], none, empty)
    assert (place.lobe, place.pleura_mm, place.fissure_mm) == (None, None, None)
