import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millet.core.candidates import merge
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate


def candidate(x, y, z, diameter=3.0, score=0.9):
    """A candidate at a place."""
    return Candidate(centre_mm=PointMm(x, y, z), diameter_mm=diameter, score=score)


def test_ten_thousand_stay_ten_thousand():
    """There is no cap: as many as are apart are returned."""
    places = np.stack(np.meshgrid(*[np.arange(22) * 4.0] * 3), -1).reshape(-1, 3)[:10_000]
    assert len(merge([candidate(*p) for p in places.tolist()], 1.0)) == 10_000


def test_one_nodule_seen_by_two_levels_is_one():
    """The better score of two with one centre stays."""
    found = merge([candidate(0, 0, 0, 8, 0.6), candidate(0.5, 0, 0, 8.4, 0.8)], 1.0)
    assert [c.score for c in found] == [0.8]


def test_touching_nodules_stay_two():
    """Two 3 mm nodules 3 mm apart are two: overlap is never asked."""
    assert len(merge([candidate(0, 0, 0), candidate(3, 0, 0)], 1.0)) == 2


def test_a_bump_on_a_mass_belongs_to_the_mass():
    """The larger radius decides how far away is the same place."""
    assert len(merge([candidate(0, 0, 0, 40, 0.9), candidate(15, 0, 0, 4, 0.5)], 1.0)) == 1


@given(st.permutations(range(12)))
def test_the_order_of_candidates_changes_nothing(order):
    """Windows may finish in any order."""
    places = np.random.default_rng(4).uniform(0, 8, (12, 3)).tolist()
    scores = np.random.default_rng(5).uniform(0, 1, 12).round(1).tolist()
    made = [candidate(*p, score=s) for p, s in zip(places, scores, strict=True)]
    assert merge([made[i] for i in order], 1.0) == merge(made, 1.0)


def test_nothing_gives_nothing():
    """An empty scan has no candidates."""
    assert merge([], 1.0) == ()
