"""All guidelines together: who is asked, and that nobody calls a dangerous exam quiet."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from golden_advice import cases, exam_of
from random_exams import dangerous, quiet, random_exam

from millet.core.advice import Guideline
from millet.core.guidelines import advise


def test_there_are_two_hundred_golden_cases_of_different_exams():
    """Each has a source; none is told twice."""
    found = list(cases())
    assert len(found) >= 200
    assert max(Counter((case.guideline, case.name) for case in found).values()) == 1
    assert {case.guideline for case in found} == set(Guideline)
    assert all(case.source for case in found)


def test_nothing_quiet_is_said_of_a_dangerous_exam():
    """Level 1 or more, a known cancer, outside the validated use: no path to a quiet label."""
    assert [found for exam in dangerous(2_000, seed=1) if (found := quiet(exam))] == []


def test_the_same_exams_without_their_danger_are_called_quiet_often():
    """So that the test above can fail."""
    harmless = [
        replace(exam, pattern_level=0, known_cancer=None, outside_validated_use=False)
        for exam in dangerous(300, seed=2)
    ]
    assert sum(bool(quiet(exam)) for exam in harmless) > 60


def test_every_guideline_answers_every_exam():
    """One advice each, in one order, with a reason where it does not apply."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        said = advise(random_exam(rng))
        assert tuple(one.guideline for one in said) == tuple(Guideline)
        assert all(one.applies != bool(one.why_not) for one in said)


def test_a_nodule_that_decides_is_one_of_the_exam():
    """By its number."""
    rng = np.random.default_rng(4)
    for _ in range(300):
        exam = random_exam(rng)
        numbers = {nodule.number for nodule in exam.nodules} | {None}
        assert {one.nodule for one in advise(exam)} <= numbers


def test_the_case_that_started_it():
    """220 nodules and a mass of 41.5 mm in a woman of 57: evaluated now, non-target, no percentage."""
    exam = exam_of("220x solid 3;solid 41.5", "age=57 level=3 cancer=? screening=? immuno=?")
    lung_rads, fleischner, bts, brock, recist = advise(exam)
    assert (lung_rads.category, lung_rads.management) == ("4BS", "evaluate-and-work-up")
    assert not fleischner.applies
    assert not bts.applies
    assert brock.probability is None
    assert "miliary-pattern" in brock.why_not
    assert (recist.category, recist.nodule) == ("target-and-non-target", 221)


def test_without_a_word_about_screening_both_say_what_they_assume():
    """One of the two applies; the reader sees which."""
    lung_rads, fleischner, *_ = advise(exam_of("solid 7", "screening=?"))
    assert "screening" in lung_rads.assumes
    assert "not-screening" in fleischner.assumes
