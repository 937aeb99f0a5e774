"""Lobes of chests whose fissures are known."""

from __future__ import annotations

from dataclasses import replace

import fissured
import numpy as np
import pytest

from millet.core.character import Lobe
from millet.core.lobes import Lobes, lobes_of, sides


@pytest.fixture(scope="module")
def chest():
    """A chest with three fissures, 520 vessels and 600 nodules."""
    return fissured.chest()


@pytest.fixture(scope="module")
def lobes(chest) -> Lobes:
    """Its lobes."""
    return lobes_of(chest.planes, chest.grid, chest.lungs)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Random points in both lungs."""
    return np.concatenate([fissured.points_in(label, 1500, seed=label) for label in (1, 2)])


def words(found) -> np.ndarray:
    """Lobes as words, the empty one for None."""
    return np.asarray([lobe.value if lobe else "" for lobe in found])


def test_lobes_of_points_clear_of_a_fissure(lobes, points):
    """Of points over 3 mm from a fissure 99 in 100 get their lobe, and hardly one a wrong one."""
    clear = points[fissured.fissure_mm(points) > 3]
    found, true = words(lobes.at(clear)), fissured.lobe(clear)
    assert (found == true).mean() >= 0.99
    assert ((found != true) & (found != "")).mean() <= 0.002


def test_points_at_a_fissure_have_no_lobe(lobes, points):
    """Within a millimetre nobody can tell: a few are named, and hardly one wrongly."""
    near = points[fissured.fissure_mm(points) < 1]
    found = words(lobes.at(near))
    assert (found == "").mean() > 0.8
    assert ((found != "") & (found != fissured.lobe(near))).mean() < 0.02


def test_distance_to_fissures(lobes, points):
    """It is right within a millimetre near them."""
    near = points[fissured.fissure_mm(points) < 8]
    error = lobes.fissure_mm(near) - fissured.fissure_mm(near)
    assert abs(np.median(error)) < 0.3
    assert np.percentile(np.abs(error), 90) < 1.0


def test_litres_of_five_lobes_are_those_of_the_lungs(chest, lobes):
    """They sum to the air in the mask, and each is near its share of the ellipsoids."""
    assert lobes.complete
    air = np.count_nonzero((chest.lungs.label > 0) & (chest.lungs.hu < -400)) * 8e-6
    assert sum(lobes.litres.values()) == pytest.approx(air)
    everywhere = np.concatenate([fissured.points_in(label, 20000, seed=9) for label in (1, 2)])
    true = fissured.lobe(everywhere)
    for lobe in Lobe:
        share = lobes.litres[lobe] / air
        assert share == pytest.approx((true == lobe.value).mean(), abs=0.03)


def test_without_a_horizontal_fissure_only_the_lower_lobe_is_named_on_the_right():
    """Upper and middle lobe are not guessed, and have no litres."""
    drawn = fissured.chest(level=False, seed=4)
    found = lobes_of(drawn.planes, drawn.grid, drawn.lungs)
    assert (found.right is not None, found.horizontal) == (True, None)
    named = set(words(found.at(fissured.points_in(1, 800, seed=2))))
    assert named == {"", "right-lower"}
    assert set(found.litres) == {Lobe.RIGHT_LOWER, Lobe.LEFT_UPPER, Lobe.LEFT_LOWER}
    assert not found.complete


def test_without_fissures_no_lobe_is_named():
    """Vessels and nodules alone make none."""
    drawn = fissured.chest(oblique=False, level=False, seed=5)
    found = lobes_of(drawn.planes, drawn.grid, drawn.lungs)
    inside = fissured.points_in(2, 100, seed=3)
    assert (found.right, found.left, found.horizontal) == (None, None, None)
    assert found.at(inside) == [None] * 100
    assert np.isnan(found.fissure_mm(inside)).all()
    assert not found.litres


def test_no_points_and_no_lungs(chest, lobes):
    """Nothing is asked, nothing is said; without lungs no point has a side."""
    assert lobes.at(np.empty((0, 3))) == []
    assert lobes.fissure_mm(np.empty((0, 3))).shape == (0,)
    none = replace(
        chest.lungs,
        label=np.zeros_like(chest.lungs.label),
        litres=replace(chest.lungs.litres, right_l=0.0, left_l=0.0),
    )
    empty = lobes_of(chest.planes, chest.grid, none)
    assert empty.at(np.zeros((2, 3))) == [None, None]
    assert sides(none, np.zeros((2, 3))).tolist() == [0, 0]


def test_points_outside_the_mask_have_the_side_of_the_nearer_lung(chest):
    """A nodule in the wall is filed under the lung that it lies next to."""
    assert sides(chest.lungs, np.asarray([(-120.0, 0, 0), (118.0, 0, 0)])).tolist() == [1, 2]
