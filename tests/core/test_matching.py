from __future__ import annotations

import exams
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from millet.core import matching
from millet.core.lung_outline import DENSE, outline
from millet.core.matching import Spots, match
from millet.core.registration import Exam, register
from millet.phantom.after import After


def spots(places, sizes=None):
    """Nodules of these sizes, or all alike."""
    places = np.asarray(places, float).reshape(-1, 3)
    return Spots(places_mm=places, sizes=np.zeros(len(places)) if sizes is None else np.asarray(sizes, float))


def known(count, sigma_mm):
    """Places known so well along each axis."""
    return np.tile(np.eye(3) * sigma_mm**2, (count, 1, 1))


def test_the_pairs_gain_as_much_as_any_one_to_one_choice_can():
    """Against the dense Hungarian method, on crowded nodules."""
    rng = np.random.default_rng(5)
    prior = rng.uniform(0, 20, (40, 3))
    current = np.concatenate([prior[:30] + rng.normal(0, 1.2, (30, 3)), rng.uniform(0, 20, (8, 3))])
    sizes = rng.normal(0, 0.5, 40), rng.normal(0, 0.5, 38)
    first, other = spots(prior, sizes[0]), spots(current, sizes[1])
    one, two, gain = matching._gains(first, known(40, 1.2), other)
    dense = np.zeros((40, 38))
    dense[one, two] = gain
    best = dense[linear_sum_assignment(-dense)].sum()
    pairs = match(first, known(40, 1.2), other)
    assert sum(dense[pair] for pair in pairs) == pytest.approx(best)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs) > 20


@pytest.mark.parametrize(
    ("neighbours", "far_mm", "paired"), [(0, 6.0, True), (400, 6.0, False), (400, 1.0, True)]
)
def test_how_far_a_partner_may_lie_follows_from_how_crowded_it_is(neighbours, far_mm, paired):
    """Alone in a lung 6 mm are near; among hundreds a stranger is nearer by chance."""
    rng = np.random.default_rng(2)
    crowd = rng.uniform(-30, 30, (neighbours, 3))
    crowd = crowd[np.linalg.norm(crowd, axis=1) > far_mm + 1]
    current = np.concatenate([[(far_mm, 0, 0)], [(150, 150, 150), (-150, 150, 150)], crowd])
    assert (match(spots([(0, 0, 0)]), known(1, 2.0), spots(current)) == ((0, 0),)) is paired


def test_of_two_in_reach_the_one_of_its_size_is_taken():
    """All shrank alike; so did this one."""
    prior = [(20.0 * n, 0, 0) for n in range(6)]
    current = [(*place[:2], 0.5) for place in prior[:5]] + [(100.6, 0, 0), (100, 0.6, 0)]
    sizes = [-1.0] * 5 + [1.5, -1.0]
    assert (5, 6) in match(spots(prior), known(6, 1.0), spots(current, sizes))


@pytest.mark.parametrize(("prior", "current"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_has_no_partner(prior, current):
    """Empty lists are no error."""
    assert match(spots(np.zeros((prior, 3))), known(prior, 1.0), spots(np.zeros((current, 3)))) == ()


@pytest.mark.parametrize("volume", [0.87, 1.14])
@pytest.mark.parametrize("count", [5, 20, 200, 1000])
def test_nodules_find_themselves_again(count, volume):
    """Three fifths gone, the rest halved, 5 % missed and 2 % false each time: nine in ten at least."""
    made = exams.made(count, After(volume=volume))
    prior, current = made.prior, made.current
    laid = register(
        Exam(outline(prior.lungs), prior.centres_mm), Exam(outline(current.lungs, DENSE), current.centres_mm)
    )
    pairs = match(
        Spots(places_mm=laid.there(prior.centres_mm), sizes=np.log(prior.volumes_mm3)),
        laid.doubt(prior.centres_mm),
        Spots(places_mm=current.centres_mm, sizes=np.log(current.volumes_mm3)),
    )
    right = sum(prior.who[a] == current.who[b] >= 0 for a, b in pairs)
    assert 2 * right / (len(pairs) + len(made.both)) > 0.95
