"""Golden cases of tests/core/golden/recist.csv, each with its source, and what a table cannot say."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import recist
from millet.core.advice import Guideline


@pytest.mark.parametrize("case", list(cases(Guideline.RECIST)), ids=lambda case: case.name)
def test_a_golden_case(case):
    """What the document says of it."""
    assert case.source
    assert not case.fault()


def test_a_miliary_nodule_is_never_a_target():
    """Whatever its size: at a pattern level only what stands out of the others by far is one."""
    exam = exam_of("100x solid 9;20x solid 12;solid 40;solid 35;solid 31", "cancer=yes level=1")
    assert [recist.long_mm(nodule) for nodule in recist.targets(exam)] == [40, 35]


def test_thickness_and_cancer_that_are_not_known_are_assumed():
    """At a pattern level the advice is given without either, and says so."""
    assert recist.judge(exam_of("60x solid 3", "cancer=? level=1 slice=?")).assumes == (
        "known-cancer",
        "thin-slices",
    )


def test_no_response_is_computed_from_a_limited_comparison():
    """New nodules of another model are no progression."""
    said = recist.judge(exam_of("60x solid 3;9x new solid 3", "cancer=yes level=1 limited=model"))
    assert said.management == "follow-as-non-target"
