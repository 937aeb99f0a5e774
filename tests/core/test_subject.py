"""What the guidelines have in common: rounding, gates, and what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from golden_advice import exam_of, sized

from millet.core.advice_codes import Assumption, WhyNot
from millet.core.subject import (
    aged,
    assumed,
    changes,
    forbidden,
    half_up,
    is_benign,
    prior_scale,
    stated_screening,
    tenths_mm,
    whole_mm,
)


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (5.5, 0, 6.0),
        (6.5, 0, 7.0),
        (5.4999, 0, 5.0),
        (5.95, 1, 6.0),
        (5.85, 1, 5.9),
        (0.1 + 0.2, 1, 0.3),
        (2.675, 2, 2.68),
        (112.5, 0, 113.0),
        (5.4999999999, 0, 6.0),
    ],
)
def test_halves_are_rounded_up(value, decimals, rounded):
    """As people round, not as floats and bankers do."""
    assert half_up(value, decimals) == rounded


@pytest.mark.parametrize(
    ("axes_mm", "tenths", "whole"),
    [
        ((6.1, 5.8), 6.0, 6),
        ((6.04, 5.84), 5.9, 6),
        ((6.0, 4.9), 5.5, 5),
        ((7.0, 4.0), 5.5, 6),
        ((9.0, 7.9), 8.5, 8),
    ],
)
def test_each_guideline_has_its_own_rounding(axes_mm, tenths, whole):
    """Lung-RADS rounds the axes to 0.1 mm before and after, the Fleischner Society their mean to 1 mm."""
    axes = sized(1, axes_mm).character.axes
    assert (tenths_mm(axes), whole_mm(axes)) == (tenths, whole)


def test_every_gate_is_told():
    """All that forbids is said, not the first of it."""
    exam = exam_of("solid 31", "level=1 cancer=yes outside=yes unreliable=yes partial=yes")
    assert set(forbidden(exam)) == {
        WhyNot.MILIARY_PATTERN,
        WhyNot.KNOWN_CANCER,
        WhyNot.OUTSIDE_VALIDATED_USE,
        WhyNot.COUNT_UNRELIABLE,
        WhyNot.INCOMPLETE_LUNGS,
        WhyNot.MASS,
    }
    assert forbidden(exam_of("solid 30", "")) == []


def test_a_nodule_without_a_character_was_not_measured():
    """Analyses of earlier versions carry none; nothing is made up for them."""
    exam = exam_of("solid 4;solid 5", "")
    older = replace(exam, nodules=(exam.nodules[0], replace(exam.nodules[1], character=None)))
    assert forbidden(older) == [WhyNot.NOT_MEASURED]


@pytest.mark.parametrize(
    ("years", "found"),
    [(None, [WhyNot.AGE_UNKNOWN]), (49.99, [WhyNot.AGE]), (50.0, []), (75.9, []), (76.0, [WhyNot.AGE])],
)
def test_ages_count_in_completed_years(years, found):
    """Somebody is 75 until the 76th birthday."""
    assert aged(replace(exam_of("", ""), age_years=years), 50, 75) == found


def test_what_is_not_known_is_no_no():
    """Unknown is stated as an assumption; a no that was given is not."""
    assert Assumption.NO_KNOWN_CANCER in assumed(exam_of("solid 4", "cancer=?"))
    assert assumed(exam_of("solid 4", "cancer=no")) == []


def test_a_limited_comparison_shows_nothing_new_or_grown():
    """A change of model, kernel or thickness never makes growth."""
    assert set(changes(exam_of("new solid 4;grown=2 solid 9", ""))) == {1, 2}
    assert changes(exam_of("new solid 4;grown=2 solid 9", "limited=model")) == {}


def test_the_prior_diameter_follows_from_the_volumes():
    """A volume eight times as large was half as wide; what has not grown has no prior size."""
    since = changes(exam_of("vc=7 solid 10;stable solid 4", ""))
    assert prior_scale(since[1]) == pytest.approx(0.5)
    assert prior_scale(since[2]) is None


def test_calcification_of_a_smaller_part_sets_nothing_aside():
    """An eccentric calcification is no benign pattern."""
    exam = exam_of("calcified 8;calcified 8 eccentric;fat 8;solid 8", "")
    assert [is_benign(nodule) for nodule in exam.nodules] == [True, False, True, False]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("CT LUNG SCREENING", True),
        ("LDCT LUNG SCREEN BASELINE", True),
        ("LOW DOSE CT CHEST", None),
        ("CT CHEST W/O CONTRAST", None),
        ("", None),
    ],
)
def test_a_description_may_say_screening_and_never_says_no(words, found):
    """Silence of a description leaves it unknown."""
    assert stated_screening([words]) is found


def test_an_exam_that_cannot_be_is_refused():
    """Values are valid from birth."""
    for wrong in ({"pattern_level": -1}, {"age_years": -3.0}, {"age_years": float("nan")}):
        with pytest.raises(ValueError, match=r"level|age"):
            replace(exam_of("", ""), **wrong)
