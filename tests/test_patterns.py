from __future__ import annotations

import numpy as np
import pytest
from patterns import KINDS, OTHERS, scenes
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from millet.core.nodule import Side


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_is_a_function_of_kind_and_seed(kind):
    """The same arguments give the same lesions, in the lungs; another seed gives others."""
    made, again, other = scenes(kind, 0), scenes(kind, 0), scenes(kind, 8)
    assert made.lesions == again.lesions
    assert made.lesions != other.lesions
    assert (made.chest.depth_mm(made.centres_mm) > -2.0).all()


def test_hard_negatives_are_what_they_are_called():
    """At most 40 and a little noise, a hundred in one place, foci, and findings on vessels alone."""
    seeds = (0, 8, 16, 24)
    assert all(1 <= len(scenes("few", seed).lesions) <= 44 for seed in seeds)
    for seed in seeds:
        cluster, vessels = scenes("cluster", seed, clean=True), scenes("vessels", seed, clean=True)
        near = np.median(pdist(cluster.centres_mm[:100]))
        assert near < 50 < np.median(pdist(scenes("uniform", seed).centres_mm))
        assert cKDTree(vessels.chest.blood.place_mm).query(vessels.centres_mm)[0].max() < 0.01
    assert set(OTHERS) == {"few", "cluster", "tree-in-bud", "vessels"}


def test_the_case_has_its_mass_low_on_the_left_and_nodules_clear_of_it():
    """220 small nodules, none in the 41.5 mm mass."""
    case = scenes("case", 0, clean=True)
    mass = case.lesions[-1]
    assert (len(case.lesions), mass.side) == (221, Side.LEFT)
    gap = np.linalg.norm(case.centres_mm[:-1] - case.centres_mm[-1], axis=1)
    assert gap.min() > mass.diameter_mm / 2
    assert mass.centre_mm.z < np.mean(case.extent_z_mm)


def test_nodules_carry_side_zone_and_lobe():
    """All six zones and five lobes occur, and each lobe is on its side."""
    found = scenes("miliary", 0).nodules
    assert len({(n.side, n.character.zone) for n in found}) == 6
    lobes = {(n.character.lobe, n.side) for n in found}
    assert len(lobes) == 5
    assert all(lobe.value.startswith(side.value) for lobe, side in lobes)
