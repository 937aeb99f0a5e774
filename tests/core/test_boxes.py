from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millet.core.boxes import Boxes, Proposal, select
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate

RULES = Boxes(nms_iou=0.22, most_per_level=1000, most_per_scan=300, score_floor=0.02)


def box(x_mm, score, side_mm=6.0, pyramid=0):
    """A cube on the x axis."""
    return Proposal(Candidate(centre_mm=PointMm(x_mm, 0, 0), diameter_mm=side_mm, score=score), pyramid)


def scores(found, rules=RULES):
    """The scores of what is kept."""
    return [candidate.score for candidate in select(found, rules).candidates]


def test_of_two_that_overlap_the_better_stays():
    """Cubes 3 mm apart share a third of their union; 4 mm apart a fifth, which is allowed."""
    assert scores([box(0, 0.5), box(3, 0.9)]) == [0.9]
    assert scores([box(0, 0.5), box(4, 0.9)]) == [0.9, 0.5]


def test_what_was_suppressed_suppresses_nothing():
    """Of three in a row the middle one goes, and the third is measured against the first."""
    assert scores([box(0, 0.9), box(3, 0.8), box(6, 0.7)]) == [0.9, 0.7]


def test_a_box_within_another_goes_only_where_it_is_nearly_as_large():
    """A 3 mm cube within a 6 mm cube is an eighth of it; one of 4 mm nearly a third."""
    assert scores([box(0, 0.9, 6), box(0, 0.5, 3)]) == [0.9, 0.5]
    assert scores([box(0, 0.9, 6), box(0, 0.5, 4)]) == [0.9]


def test_the_floor_must_be_passed():
    """At the floor is not above it."""
    assert scores([box(0, 0.02), box(50, 0.021)]) == [0.021]


def test_a_scan_keeps_no_more_than_its_count_and_tells_the_best_that_went():
    """Of 310 boxes far apart the best 300 stay, and the 301st is told."""
    found = [box(20 * n, 0.9 - 0.001 * n) for n in range(310)]
    kept, cut = select(found, RULES)
    assert len(kept) == 300
    assert cut == pytest.approx(0.9 - 0.001 * 300)


def test_a_pyramid_level_is_cut_before_overlaps_are_sorted_out():
    """Three boxes a nodule use up a level's count: of ten nodules four are left, as MONAI would leave."""
    found = [box(50 * n + 0.1 * k, 0.9 - 0.01 * n - 0.001 * k) for n in range(10) for k in range(3)]
    kept, cut = select(found, replace(RULES, most_per_level=10))
    assert len(kept) == 4
    assert cut == pytest.approx(0.9 - 0.03 - 0.001)
    levels = [Proposal(p.candidate, n % 3) for n, p in enumerate(found)]
    assert len(select(levels, replace(RULES, most_per_level=10)).candidates) == 10


def test_without_a_cut_nothing_is_told():
    """Suppression alone loses nothing to a count."""
    assert select([box(0, 0.9), box(1, 0.8)], RULES).cut_score == 0
    assert select([], RULES) == ((), 0.0)


PLACES = st.tuples(st.integers(0, 60), st.integers(3, 99), st.integers(2, 12), st.integers(0, 2))


@given(st.lists(PLACES, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_boxes_changes_nothing(places, random):
    """The same boxes in any order leave the same candidates, equal scores included."""
    found = [box(x, score / 100, side, pyramid) for x, score, side, pyramid in places]
    rules = replace(RULES, most_per_level=8, most_per_scan=6)
    shuffled = random.sample(found, len(found))
    assert select(shuffled, rules) == select(found, rules)


@pytest.mark.parametrize(
    ("field", "value"),
    [("nms_iou", 1.5), ("score_floor", -0.1), ("most_per_level", 0), ("most_per_scan", -1)],
)
def test_rules_that_mean_nothing_are_told(field, value):
    """Each names its field."""
    assert [field in mistake for mistake in replace(RULES, **{field: value}).mistakes()] == [True]
    assert not list(RULES.mistakes())
