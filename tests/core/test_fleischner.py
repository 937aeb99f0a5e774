"""Golden cases of tests/core/golden/fleischner.csv, each with its source, and what a table cannot say."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import fleischner
from millet.core.advice import Guideline


@pytest.mark.parametrize("case", list(cases(Guideline.FLEISCHNER)), ids=lambda case: case.name)
def test_a_golden_case(case):
    """What the document says of it."""
    assert case.source
    assert not case.fault()


def test_what_is_taken_for_granted_is_said():
    """Found by chance, no cancer, no immunosuppression, the first CT."""
    said = fleischner.judge(exam_of("solid 4", "screening=? cancer=? immuno=?"))
    assert said.assumes == ("no-known-cancer", "no-immunosuppression", "not-screening", "first-ct")


def test_a_follow_up_counts_from_the_first_ct():
    """With a comparable prior the table's intervals do not start again."""
    assert fleischner.judge(exam_of("stable solid 7", "")).assumes == ("from-first-ct",)


def test_all_that_forbids_is_said():
    """Not the first reason only."""
    said = fleischner.judge(exam_of("solid 4", "age=20 immuno=yes screening=yes cancer=yes"))
    assert said.why_not == ("known-cancer", "immunosuppressed", "screening", "age")
