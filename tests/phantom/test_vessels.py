from __future__ import annotations

import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.phantom import anatomy, render, vessels


@pytest.fixture(scope="module")
def chest():
    """A chest of full size."""
    return anatomy.chest(np.random.default_rng(1), scale=1.0, mass=False, effusion=False)


@pytest.fixture(scope="module")
def arteries(chest):
    """Its arteries."""
    return vessels.grow_pair(chest, vessels.ARTERY_ROOTS, np.random.default_rng(2))


def strahler(tree):
    """Order of each piece, and whether a branch of that order begins with it."""
    order = vessels.orders(tree)
    begins = (tree.parent < 0) | (order[np.maximum(tree.parent, 0)] != order)
    return order, begins


@pytest.mark.parametrize("order", range(9, 16))
def test_counts_per_order_are_singhals(arteries, order):
    """Each Horsfield order has as many branches as the published casts, within two fifths."""
    found, begins = strahler(arteries)
    count = vessels.ARTERIES[order][0]
    assert ((found == order) & begins).sum() == pytest.approx(count, rel=0.4)


@pytest.mark.parametrize("order", range(9, 16))
def test_diameters_per_order_are_singhals(arteries, order):
    """Each order is as wide as the published casts, within a third."""
    found, _ = strahler(arteries)
    assert arteries.diameter_mm[found == order].mean() == pytest.approx(vessels.ARTERIES[order][1], rel=0.33)


def test_the_tree_fills_both_lungs(chest, arteries):
    """Nearly every place in the lungs has an end branch within a centimetre."""
    deep = chest.grid.to_patient_array(np.argwhere(chest.lung < -6).astype(float))
    places = deep[np.random.default_rng(0).choice(len(deep), 2000)]
    ends = arteries.end_mm[arteries.ends == 1]
    nearest = np.sqrt(((places[:, None] - ends[None]) ** 2).sum(-1).min(axis=1))
    assert np.quantile(nearest, 0.95) < 12
    assert {bool(s) for s in ends[:, 0] > 0} == {True, False}


def test_airways_narrow_from_the_trachea(chest, arteries):
    """The widest airway is an 18 mm trachea, the narrowest about Weibel's last visible generation."""
    lumens = vessels.airways(arteries, chest, np.random.default_rng(0))
    assert 2 * lumens.radius_mm.max() == pytest.approx(18.0)
    assert 1.3 < 2 * lumens.radius_mm.min() < 2.0


@pytest.mark.parametrize("diameter_mm", [0.5, 1.0, 3.0])
def test_a_thin_tube_keeps_its_mass(diameter_mm):
    """A tube thinner than a voxel fills as much as its volume, however it lies."""
    axes = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
    grid = Grid(shape=(40, 60, 60), spacing_mm=(1.0, 0.7, 0.7), origin_mm=PointMm(0, 0, 0), axes=axes)
    start, end = np.asarray([[8.0, 9.0, 8.0]]), np.asarray([[31.0, 27.0, 30.0]])
    tube = vessels.Branches(start_mm=start, end_mm=end, radius_mm=np.full((1, 2), diameter_mm / 2))
    filled = float(render.occupancy(tube, grid, 0.42).sum()) * grid.voxel_mm3
    ends_mm3 = np.pi * diameter_mm**3 / 6
    body_mm3 = np.pi * diameter_mm**2 / 4 * float(np.linalg.norm(end - start))
    assert filled == pytest.approx(body_mm3 + ends_mm3, rel=0.08)
