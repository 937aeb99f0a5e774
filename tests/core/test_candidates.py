import chests
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millet.core.candidates import merge
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate

LUNG_HU, TISSUE_HU = -850.0, 40.0


def candidate(x, y, z, diameter=3.0, score=0.9):
    """A candidate at a place."""
    return Candidate(centre_mm=PointMm(x, y, z), diameter_mm=diameter, score=score)


def block(*balls, size=24, spacing=0.8, start=-8.0):
    """A cube of lung with balls of tissue: (centre, diameter)."""
    grid = chests.grid(shape=(size,) * 3, spacing=(spacing,) * 3, origin=(start,) * 3)
    hu = np.full(grid.shape, LUNG_HU)
    for centre, diameter in balls:
        hu[chests.ball(grid, centre, diameter)] = TISSUE_HU
    return chests.volume(grid, hu)


EMPTY = block()
SOLID = block(((0, 0, 0), 60))
CLUSTER = tuple(p for p in np.stack(np.meshgrid(*[np.arange(-6.0, 7, 4)] * 3), -1).reshape(-1, 3).tolist())


def test_ten_thousand_stay_ten_thousand():
    """There is no cap: as many as are apart are returned."""
    places = np.stack(np.meshgrid(*[np.arange(22) * 4.0] * 3), -1).reshape(-1, 3)[:10_000]
    assert len(merge([candidate(*p) for p in places.tolist()], 1.0, EMPTY)) == 10_000


def test_one_nodule_seen_by_two_levels_is_one():
    """The better score of two with one centre stays."""
    found = merge([candidate(0, 0, 0, 8, 0.6), candidate(0.5, 0, 0, 8.4, 0.8)], 1.0, SOLID)
    assert [c.score for c in found] == [0.8]


def test_touching_nodules_stay_two():
    """Two 3 mm nodules 3 mm apart are two: overlap is never asked."""
    assert len(merge([candidate(0, 0, 0), candidate(3, 0, 0)], 1.0, SOLID)) == 2


def test_a_pair_stays_two_though_read_too_large():
    """Two 3 mm nodules 4 mm apart are two even where each is taken for one of 9 mm: lung lies between."""
    pair = [(0.0, 0.0, 0.0), (4.0, 0.0, 0.0)]
    seen = block(*[(p, 3.0) for p in pair])
    assert len(merge([candidate(*p, 9.0) for p in pair], 1.0, seen)) == 2


def test_a_bump_on_a_mass_belongs_to_the_mass():
    """A small candidate that hangs together with a larger one of better score goes."""
    found = merge([candidate(0, 0, 0, 40, 0.9), candidate(9, 0, 0, 4, 0.5)], 1.0, SOLID)
    assert [c.diameter_mm for c in found] == [40]


def test_a_bump_never_replaces_its_mass():
    """However good the score of a small candidate, the mass stays."""
    found = merge([candidate(0, 0, 0, 40, 0.6), candidate(9, 0, 0, 4, 0.99)], 1.0, SOLID)
    assert 40 in [c.diameter_mm for c in found]


def test_a_nodule_beside_a_mass_is_its_own():
    """Lung between a nodule and a mass keeps them apart, even within the mass's supposed radius."""
    seen = block(((0, 0, 0), 8), ((8, 0, 0), 3))
    assert len(merge([candidate(0, 0, 0, 20, 0.95), candidate(8, 0, 0, 3, 0.5)], 1.0, seen)) == 2


def test_a_blur_of_small_nodules_swallows_none():
    """A coarse candidate over a cluster, whatever its score and though one nodule is at its very centre."""
    places = [*CLUSTER, (0.0, 0.0, 0.0)]
    seen = block(*[(p, 2.5) for p in places])
    small = [candidate(*p, 2.5, 0.6) for p in places]
    found = merge([candidate(0.5, 0, 0, 25, 0.99), *small], 1.0, seen)
    assert set(small) <= set(found)


def test_two_thousand_nodules_survive_a_mass_and_every_coarse_blur():
    """A dense field with a mass in it and a coarse candidate of the best score over each place."""
    grid = chests.grid(shape=(130,) * 3, spacing=(0.8,) * 3, origin=(0.0, 0.0, 0.0))
    hu = np.full(grid.shape, LUNG_HU)
    middle = np.arange(5, 130, 10)
    wide = (middle[:, None] + np.arange(-1, 2)).ravel()
    hu[np.ix_(wide, wide, wide)] = TISSUE_HU
    mass = candidate(52.0, 52.0, 52.0, 30.0, 0.9)
    hu[chests.ball(grid, mass.centre_mm, mass.diameter_mm)] = TISSUE_HU
    places = np.stack(np.meshgrid(*[middle * 0.8] * 3), -1).reshape(-1, 3)
    places = places[np.linalg.norm(places - 52.0, axis=1) > 18]
    small = [candidate(*place, 3.0, 0.6) for place in places.tolist()]
    blurs = [candidate(*place, 25.0, 0.99) for place in (places + 1.0).tolist()]
    found = set(merge([mass, *small, *blurs], 1.0, chests.volume(grid, hu)))
    assert len(small) > 2000
    assert {mass, *small} <= found


@given(st.permutations(range(12)))
def test_the_order_of_candidates_changes_nothing(order):
    """Windows may finish in any order."""
    places = np.random.default_rng(4).uniform(0, 8, (12, 3)).tolist()
    scores = np.random.default_rng(5).uniform(0, 1, 12).round(1).tolist()
    made = [candidate(*p, score=s) for p, s in zip(places, scores, strict=True)]
    assert merge([made[i] for i in order], 1.0, EMPTY) == merge(made, 1.0, EMPTY)


def test_nothing_gives_nothing():
    """An empty scan has no candidates."""
    assert merge([], 1.0, EMPTY) == ()
