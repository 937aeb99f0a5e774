from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from millet.phantom.second import places
from millet.phantom.spec import SPREADS


def centres(spread, chest, trees, count=60, diameter_mm=3.0):
    """Centres for nodules of one size."""
    wide = np.full(count, diameter_mm)
    return places.places(spread, wide, chest, trees, [], np.random.default_rng(3))


@pytest.mark.parametrize("spread", SPREADS)
def test_nodules_lie_in_the_lung_apart_and_not_within_vessels(spread, chest, trees):
    """However they spread: inside, clear of each other, their middle in no vessel."""
    found = centres(spread, chest, trees)
    assert (chest.lung_at(found) > 1.0).all()
    assert pdist(found).min() > 3.0 + places.GAP_MM
    wide = trees.arteries.radius_mm > 0.7
    far, near = cKDTree(trees.arteries.place_mm[wide]).query(found)
    assert (far > trees.arteries.radius_mm[wide][near] + 0.7).all()


def test_centrilobular_nodules_sit_at_arterioles_off_the_pleura(chest, trees):
    """They are a millimetre or so from the end of an artery, 3 mm or more from pleura and fissure."""
    found = centres("centrilobular", chest, trees)
    far, _ = cKDTree(trees.arteries.place_mm[trees.arteries.tips]).query(found)
    assert np.median(far) < 1.2
    assert (chest.lung_at(found) - 1.5 >= 2.9).all()
    assert (chest.fissure_at(found) - 1.5 >= 2.9).all()


def test_perilymphatic_nodules_touch_pleura_fissure_or_vessel(chest, trees):
    """Far more of them touch something than of those at random."""
    tree = cKDTree(np.concatenate([t.place_mm[t.radius_mm > 0.5] for t in (trees.arteries, trees.veins)]))

    def touching(found):
        near = chest.lung_at(found) < 2.2
        near |= chest.fissure_at(found) < 2.0
        return (near | (tree.query(found)[0] < 3.0)).mean()

    assert touching(centres("perilymphatic", chest, trees)) > 0.8
    assert touching(centres("random", chest, trees)) < 0.6


def test_pairs_are_as_far_apart_as_asked(chest, trees):
    """Centres come two by two at the distance; pairs keep clear of each other."""
    found = places.pairs(np.full(20, 3.0), 4.0, chest, trees, np.random.default_rng(0))
    gaps = np.linalg.norm(found[::2] - found[1::2], axis=1)
    assert gaps == pytest.approx(4.0)
    middles = (found[::2] + found[1::2]) / 2
    assert pdist(middles).min() > 7.0


def test_a_mass_is_kept_clear(chest, trees):
    """Nothing is placed within a sphere that is to be avoided."""
    middle = chest.frame.points(chest.lung < chest.lung.min() + 2).mean(axis=0)
    found = places.places(
        "random", np.full(40, 2.0), chest, trees, [(middle, 25.0)], np.random.default_rng(0)
    )
    assert np.linalg.norm(found - middle, axis=1).min() > 26.0


def test_more_than_fit_are_refused(chest, trees):
    """Nodules that do not fit are an error, not a shorter list."""
    with pytest.raises(ValueError, match="do not fit"):
        centres("random", chest, trees, count=400, diameter_mm=25.0)
