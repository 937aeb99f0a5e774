"""Golden cases of tests/core/golden/lung_rads.csv, each with its source, and what a table cannot say."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import lung_rads
from millet.core.advice import Guideline


@pytest.mark.parametrize("case", list(cases(Guideline.LUNG_RADS)), ids=lambda case: case.name)
def test_a_golden_case(case):
    """What the document says of it."""
    assert case.source
    assert not case.fault()


def test_what_is_taken_for_granted_is_said():
    """An exam of which nothing is known assumes a first screening exam without a known cancer."""
    said = lung_rads.judge(exam_of("solid 9 juxtapleural", "screening=? cancer=?"))
    assert said.assumes == ("no-known-cancer", "screening", "first-ct", "benign-shape")


def test_new_nodules_ask_for_the_immune_state():
    """Only where a nodule is new does immunosuppression change the category."""
    assert "no-immunosuppression" in lung_rads.judge(exam_of("new solid 5", "screening=yes immuno=?")).assumes
    assert "no-immunosuppression" not in lung_rads.judge(exam_of("solid 5", "screening=yes immuno=?")).assumes


def test_a_core_that_was_not_measured_counts_as_the_whole():
    """Never as none."""
    assert lung_rads.judge(exam_of("part-solid 9", "screening=yes")).category == "4B"


def test_one_more_nodule_never_lowers_the_category():
    """However many nodules beside it, the most suspicious one keeps its category."""
    for many in (0, 1, 10, 1000):
        said = lung_rads.judge(exam_of(f"solid 9{f';{many}x solid 3' * bool(many)}", "screening=yes"))
        assert (said.category, said.nodule) == ("4A", 1)
