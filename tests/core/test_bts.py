"""Golden cases of tests/core/golden/bts.csv, each with its source, and what a table cannot say."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import bts
from millet.core.advice import Guideline


@pytest.mark.parametrize("case", list(cases(Guideline.BTS)), ids=lambda case: case.name)
def test_a_golden_case(case):
    """What the document says of it."""
    assert case.source
    assert not case.fault()


def test_the_limit_of_resolution_is_said():
    """Where the volume is not to be relied on, the diameter decides, and the report says why."""
    assert bts.judge(exam_of("solid 5 limit", "")).assumes == ("size-at-limit", "first-ct")


def test_a_lobe_that_is_not_known_is_no_lower_lobe():
    """Ten per cent may lie between both: then neither is chosen."""
    zoned = bts.judge(exam_of("solid 12 zone-upper", ""))
    assert zoned.management == "pet-ct-or-ct-3-months"
    assert bts.judge(exam_of("solid 12", "")).management == "ct-3-months"


def test_growth_comes_before_size():
    """The grown small nodule decides, not the larger stable one."""
    said = bts.judge(exam_of("stable solid 7;vc=1 vdt=90 solid 6", "days=90"))
    assert (said.category, said.nodule) == ("growth", 2)
