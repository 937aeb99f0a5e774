from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from readers import ANNA, BEN, missed, rejected, seen, taken_back

from millet.core.analysis import TriageLevel
from millet.core.geometry import PointMm
from millet.core.readers import (
    LONGEST_COMMENT,
    Opinion,
    Person,
    Stand,
    check_request,
    has_risen,
    standing,
    with_it,
)

NOT_ASSESSED, UNFLAGGED, NOTABLE, URGENT, CRITICAL = TriageLevel


@pytest.mark.parametrize(
    ("then", "now", "risen"),
    [
        (URGENT, CRITICAL, True),
        (CRITICAL, URGENT, False),
        (URGENT, URGENT, False),
        (None, NOT_ASSESSED, True),
        (NOT_ASSESSED, UNFLAGGED, True),
        (URGENT, None, False),
        (None, None, False),
    ],
)
def test_a_level_has_risen_when_it_is_more_urgent(then, now, risen):
    """Any level is more than none."""
    assert has_risen(then, now) is risen


def test_the_newest_acknowledgement_counts():
    """Unless it takes back the one before."""
    first, second = seen(NOTABLE), seen(URGENT, by=BEN)
    assert standing([]) is None
    assert standing([first, second]) == second
    assert standing([first, taken_back(first)]) is None
    assert standing([first, taken_back(first), second]) == second


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Stand(2, NOTABLE, None), seen(NOTABLE, generation=2)),
        (Stand(1, URGENT, None), seen(URGENT)),
        (Stand(1, CRITICAL, None), None),
        (Stand(0, None, None), None),
        (Stand(1, NOTABLE, seen(NOTABLE, by=BEN)), None),
        (Stand(2, URGENT, seen(NOTABLE, by=BEN)), seen(URGENT, generation=2)),
    ],
    ids=["calmer", "as urgent", "more urgent", "not analysed", "seen before", "risen since"],
)
def test_whoever_has_seen_a_level_has_seen_what_is_no_more_urgent(other, told):
    """In another series of the study, as it stands; whoever saw it before stays named."""
    assert with_it(seen(URGENT), Stand(1, URGENT, None), other) == told


def test_what_was_said_at_once_is_taken_back_at_once():
    """By the same person at the same time; what was said otherwise stays."""
    back, of = taken_back(seen(URGENT), by=BEN), Stand(1, URGENT, seen(URGENT))
    with_it_then = Stand(3, CRITICAL, seen(NOTABLE, generation=2))
    assert with_it(back, of, with_it_then) == taken_back(seen(NOTABLE, generation=2), by=BEN)
    later = replace(seen(NOTABLE), at_utc=seen(NOTABLE).at_utc + timedelta(seconds=1))
    for kept in (None, later, seen(NOTABLE, by=BEN)):
        assert with_it(back, of, Stand(1, NOTABLE, kept)) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"opinion": Opinion.MISSED},
        {"nodule_id": ""},
        {"place_mm": PointMm(0.0, 0.0, 0.0)},
        {"comment": "x" * (LONGEST_COMMENT + 1)},
        {"comment": "a\x00b"},
    ],
    ids=["missed without a place", "rejected nothing", "rejected a place", "long", "control character"],
)
def test_feedback_that_makes_no_sense_cannot_be_made(facts):
    """It says of which nodule, or where one was missed, and comments are bounded."""
    with pytest.raises(ValueError, match=r"a missed nodule|a comment"):
        replace(rejected(), **facts)


@pytest.mark.parametrize("x_mm", [float("nan"), float("inf"), 10_001.0])
def test_a_place_is_in_a_patient(x_mm):
    """Not anywhere else."""
    with pytest.raises(ValueError, match="at most 10000 mm"):
        missed(x_mm)


@pytest.mark.parametrize(("generation", "level"), [(0, URGENT), (1, None), (-1, None)])
def test_a_generation_and_its_level_belong_together(generation, level):
    """Where there was no analysis there is neither."""
    with pytest.raises(ValueError, match="belong together"):
        seen(level, generation)


def test_a_person_and_a_request_have_a_name():
    """One of a bounded length that can be printed."""
    assert Person(name="王小东", recognised=False).name == "王小东"
    assert check_request("7f3c-1") == "7f3c-1"
    for name in ("", " ", "x" * 129, "a\x1b[0m"):
        with pytest.raises(ValueError, match="has"):
            replace(ANNA, name=name)
        with pytest.raises(ValueError, match="has"):
            check_request(name)
