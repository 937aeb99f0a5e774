"""Golden cases of tests/core/golden/brock.csv, each with its source, and what a table cannot say."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import brock
from millet.core.advice import Guideline


@pytest.mark.parametrize("case", list(cases(Guideline.BROCK)), ids=lambda case: case.name)
def test_a_golden_case(case):
    """What the document says of it."""
    assert case.source
    assert not case.fault()


def factors(size_mm, nodules, **more):
    """Age 57, female, solid, nothing else."""
    return brock.Factors(age_years=57, female=True, size_mm=size_mm, nodules=nodules, **more)


@pytest.mark.parametrize(
    ("size_mm", "nodules", "wanted"),
    [
        (3, 1, 6.1e-4),
        (10, 1, 0.0495),
        (10, 20, 0.0108),
        (41.5, 1, 0.447),
        (41.5, 4, 0.387),
        (41.5, 18, 0.166),
        (41.5, 50, 0.0141),
        (41.5, 200, 6.1e-8),
    ],
)
def test_the_formula_alone_gives_the_known_vectors(size_mm, nodules, wanted):
    """The case's mass: 45 % alone, nothing among two hundred; which is why the formula is gated."""
    assert brock.probability(factors(size_mm, nodules)) == pytest.approx(wanted, rel=0.01)


def test_the_most_probable_nodule_is_told():
    """Not the largest: one that is spiculated and in an upper lobe comes before."""
    said = brock.judge(exam_of("solid 11;solid 10 spiculated upper", ""))
    assert said.nodule == 2


def test_what_is_not_known_is_bounded():
    """Absent in the figure, present in the upper bound; what is known to be absent changes neither."""
    low, high = brock.bounds(factors(12, 1, upper_lobe=None, family_history=None, emphysema=None))
    assert low == brock.probability(factors(12, 1))
    assert high == brock.probability(factors(12, 1, upper_lobe=True, family_history=True, emphysema=True))
    known = factors(12, 1, upper_lobe=False, family_history=False, emphysema=False)
    assert brock.bounds(known) == (low, low)


def test_benign_nodules_lower_no_probability():
    """Each nodule counted lowers the others' probability: those set aside are not counted."""
    alone = brock.judge(exam_of("solid 10", ""))
    beside = brock.judge(exam_of("solid 10;5x calcified 4", ""))
    assert beside.probability == alone.probability
    assert "benign-calcification" in beside.assumes
