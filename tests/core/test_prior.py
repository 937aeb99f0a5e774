from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from instances import header

from millet.core.prior import Facts, Origin, choose, day, ranked

NOW = replace(Facts.of(header(1)), date="20260701", series_uid="1.9", study_uid="1.90", model_digest="ab")


def before(number, **facts):
    """A series of another study of the same patient, January 2026 or as given."""
    base = replace(NOW, series_uid=f"1.{number}", study_uid=f"1.{number}0", date="20260101")
    return replace(base, **facts)


def test_of_several_earlier_exams_the_newest_is_the_prior():
    """Whatever their order."""
    some = [before(1, date="20250101"), before(2, date="20260301"), before(3, date="20251231")]
    for candidates in (some, some[::-1]):
        assert choose(NOW, candidates).series_uid == "1.2"


@pytest.mark.parametrize(
    ("likest", "others"),
    [
        ({}, {"model_digest": "cd", "slice_mm": NOW.slice_mm}),
        ({"slice_mm": 5.0}, {"model_digest": "cd"}),
        ({"slice_mm": 1.5}, {"slice_mm": 3.0}),
        ({"slice_mm": 3.0}, {"kernel": "B20f"}),
    ],
    ids=["model", "model before slices", "slices", "kernel before slices"],
)
def test_of_one_study_the_series_taken_and_read_most_alike_is_the_prior(likest, others):
    """Model first, then kernel, then slices."""
    some = [before(1, study_uid="1.5", **others), before(2, study_uid="1.5", **likest)]
    for candidates in (some, some[::-1]):
        assert choose(NOW, candidates).series_uid == "1.2"


@pytest.mark.parametrize(
    ("candidates", "code"),
    [
        ([], "no-prior"),
        ([before(1, study_uid=NOW.study_uid)], "no-prior"),
        ([before(1, patient_id="P2")], "other-patient"),
        ([before(1, issuer="")], "other-patient"),
        ([before(1, birth_date="19600102")], "identity-disagrees"),
        ([before(1, birth_date="")], "identity-disagrees"),
        ([before(1, sex="M")], "identity-disagrees"),
        ([before(1, date="20260702")], "not-earlier"),
        ([before(1, date="20260701")], "not-earlier"),
        ([before(1, date="")], "not-earlier"),
        ([before(1, analysed=False)], "not-analysed"),
        ([before(1, patient_id="P2"), before(2, sex="M"), before(3, date="20270101")], "not-earlier"),
    ],
)
def test_why_no_exam_is_the_prior_is_said(candidates, code):
    """Of several reasons that of the exam that came nearest to being one."""
    found = choose(NOW, candidates)
    assert (found.series_uid, found.why_not) == ("", code)


@pytest.mark.parametrize("patient_id", ["", "  "])
def test_nobody_has_no_prior(patient_id):
    """Two exams without a patient ID are not of one patient."""
    nobody = replace(NOW, patient_id=patient_id)
    assert choose(nobody, [before(1, patient_id=patient_id)]).why_not == "no-patient-id"


def test_on_the_same_day_the_time_tells():
    """A scan before an intervention is the prior of the one after it."""
    later = replace(NOW, time="151500")
    morning = before(1, date=NOW.date, time="093000")
    assert choose(later, [morning]).series_uid == "1.1"
    assert choose(replace(NOW, time="080000"), [morning]).why_not == "not-earlier"


@pytest.mark.parametrize(
    ("written", "read"),
    [("20260105", date(2026, 1, 5)), ("", None), ("2026", None), ("20261301", None), ("yesterda", None)],
)
def test_dates_are_read_as_they_can_be(written, read):
    """None for what is no date."""
    assert day(written) == read


def test_of_the_newest_study_what_is_known_best_comes_first():
    """Our own, then images, reports, segmentations; all of it before any earlier study."""
    kinds = [before(1, series_uid=f"1.{number}", origin=one) for number, one in enumerate(Origin, 1)]
    older = before(8, date="20250101")
    order = ranked(NOW, [older, *kinds[::-1]])
    assert [one.origin for one in order] == [*Origin, Origin.OURS]
    assert order[-1] == older
    assert choose(NOW, [older, *kinds]).series_uid == "1.1"
    assert ranked(replace(NOW, patient_id=" "), kinds) == ()
