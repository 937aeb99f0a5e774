"""All guidelines together: who is asked, and that nobody calls a dangerous exam quiet."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from analyses import analysis
from golden_advice import cases, exam_of
from instances import header
from random_exams import dangerous, quiet, random_exam

from millet.codec import record, wire
from millet.core.advice import Guideline
from millet.core.guidelines import advise, subject_of
from millet.core.judgement import Judgement, Standing
from millet.core.reasons import Reason, Remark, Weight
from millet.proto.millet.v1 import analysis_service_pb2 as pb

HARMLESS = {
    "pattern_level": 0,
    "known_cancer": None,
    "outside_validated_use": False,
    "count_reliable": True,
    "whole_lungs": True,
}


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
    harmless = [replace(exam, **HARMLESS) for exam in dangerous(300, seed=2)]
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


def judged(organ, level):
    """A set of criteria that reached a level."""
    return Judgement(
        criteria=f"{organ}-miliary",
        version="1",
        organ=organ,
        standing=Standing.PROPOSAL,
        source="a test",
        level=level,
        meaning="",
        conditions=(),
    )


def test_the_headers_and_the_analysis_tell_what_is_known():
    """Age, sex, thickness and screening come from the headers; nobody's cancer does."""
    told = replace(header(1), age_years=57.0, slice_thickness_mm=1.25, descriptions=("CT LUNG SCREENING",))
    patient = replace(told.patient, sex="F")
    exam = subject_of(analysis(2), [replace(told, patient=patient, age_years=None), told])
    assert (exam.age_years, exam.sex, exam.slice_mm, exam.screening) == (57.0, "F", 1.25, True)
    assert exam.known_cancer is exam.immunosuppressed is exam.emphysema is None
    assert exam.outside_validated_use  # the analysis is remarked so


def test_an_empty_header_says_nothing():
    """An empty sex is unknown, and so is a thickness that no slice states."""
    bare = replace(header(1), age_years=None, slice_thickness_mm=None, descriptions=())
    exam = subject_of(analysis(2), [replace(bare, patient=replace(bare.patient, sex=""))])
    assert (exam.age_years, exam.sex, exam.slice_mm, exam.screening) == (None, None, None, None)


def test_the_highest_level_of_the_lungs_counts():
    """Not that of another organ; a pattern that was not judged leaves the count unreliable."""
    made = replace(analysis(2), judgements=(judged("lung", 3), judged("brain", 4)))
    assert subject_of(made, [header(1)]).pattern_level == 3
    assert subject_of(analysis(2), [header(1)]).count_reliable
    assert not subject_of(replace(made, pattern=None), [header(1)]).count_reliable


@pytest.mark.parametrize(
    ("reason", "whole"), [(Reason.PARTIAL_LUNG, False), (Reason.OPAQUE_LUNG, False), (Reason.METAL, True)]
)
def test_a_lung_that_could_not_be_looked_at_makes_the_exam_incomplete(reason, whole):
    """Category 0 of Lung-RADS asks for it."""
    remark = Remark(reason=reason, weight=Weight.OUTSIDE_USE)
    exam = subject_of(replace(analysis(2), remarks=(remark,)), [header(1)])
    assert (exam.whole_lungs, exam.outside_validated_use) == (whole, whole)


def test_a_count_in_doubt_is_unreliable_and_not_outside_the_use():
    """Lung-RADS has a category for it; the others do not apply."""
    doubted = replace(
        analysis(2), remarks=(Remark(reason=Reason.READERS_DISAGREE, weight=Weight.OUTSIDE_USE),)
    )
    exam = subject_of(doubted, [header(1)])
    assert (exam.count_reliable, exam.outside_validated_use) == (False, False)


def test_advice_is_kept_as_it_was_given():
    """What the journal holds, and what gRPC sends, reads back the same, assumptions and all."""
    for words in ("level=2 cancer=?", "screening=? cancer=?"):
        made = replace(analysis(1), advice=advise(exam_of("200x solid 3;solid 20", words)))
        assert record.decode(record.encode(made)) == made
        sent = wire.analysis_to_wire(made).SerializeToString()
        assert wire.analysis_from_wire(pb.Analysis.FromString(sent)) == made
