"""What an archive's reports and segmentations say of earlier exams; and every reason why one says nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from characters import characterised
from pydicom import dcmread
from reports import FRAME, analysis, as_file, ct_series, labels, nodules
from studies import MemoryStudies

from millet.codec import chest_cad, seg, sr, summary_sr
from millet.codec.source import Source
from millet.core.prior import Facts, Origin
from millet.errors import ArchiveError
from millet.flow import elsewhere
from millet.flow.elsewhere import PriorArchive, fetched, offered

OWN = Facts(
    series_uid="1.9",
    study_uid="1.90",
    patient_id="12345",
    issuer="HOSP",
    birth_date="19600101",
    sex="F",
    date="20260401",
)
SOURCE = Source.read(ct_series())


def report(count=5, *, encode=sr.encode, **changes):
    """Our SR of an earlier exam, with other elements."""
    found = dcmread(io.BytesIO(encode(analysis(characterised(count)), SOURCE)))
    for keyword, value in changes.items():
        setattr(found, keyword, value)
    return as_file(found)


def mask(count=5):
    """Our SEG of the same exam."""
    found = nodules(count)
    return seg.encode(analysis(found), labels(found), SOURCE)


def archive(*files, again=False, **facts):
    """One that holds so much."""
    made = MemoryStudies(files, **facts)
    return PriorArchive(reports=made, images=made, again=again)


def told(made, own=OWN):
    """What comes of all that is offered, the best first."""
    found = offered(made, own, "")
    return {facts.origin: fetched(offer, facts, own) for facts, offer in found.offers.items()}


def test_report_and_segmentation_of_a_study_are_offered_and_read():
    """Each with all its nodules; dose reports, CAD and summaries beside them say less or nothing."""
    made = archive(report(), mask(), report(encode=chest_cad.encode), report(encode=_summary))
    found = told(made)
    assert set(found) == {Origin.REPORT, Origin.SEGMENTATION}
    assert [len(one.study.nodules) for one in found.values()] == [5, 5]
    assert {one.source for one in found.values()} == {"report", "segmentation"}
    assert {one.study.taken.isoformat() for one in found.values()} == {"2026-01-01"}
    assert found[Origin.REPORT].left_out == ()


def _summary(made, source):
    return summary_sr.encode(made, source, masks=True)


def test_contours_lie_on_images_that_are_fetched_for_their_places():
    """Of a report that knows no coordinates in space; without the images there is nothing to be said."""
    found = told(archive(report(encode=_summary), *ct_series()))
    assert len(found[Origin.REPORT].study.nodules) == 5
    assert found[Origin.REPORT].left_out == ()
    blind = told(archive(report(encode=_summary)))[Origin.REPORT]
    assert (blind.study, blind.why_not) == (None, "unknown-image")
    assert [(one.reason, one.count) for one in blind.left_out] == [("unknown-image", 5)]


def test_images_are_offered_only_where_they_may_be_analysed():
    """A setting of the archive."""
    assert told(archive(*ct_series(3))) == {}
    offers = offered(archive(*ct_series(3), again=True), OWN, "").offers
    assert [facts.origin for facts in offers] == [Origin.IMAGES]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"PatientID": "54321"}, "other-patient"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, "other-patient"),
        ({"PatientBirthDate": "19610101"}, "identity-disagrees"),
        ({"PatientSex": "M"}, "identity-disagrees"),
    ],
)
def test_an_object_tells_whose_it_is_whatever_the_archive_says(changes, why):
    """An archive that tells nothing of the patient, or answers with everybody's studies."""
    quiet = ("patient_id", "issuer", "birth_date", "sex")
    made = archive(report(**changes), liar=True, silent=quiet)
    found = told(made)[Origin.REPORT]
    assert (found.study, found.why_not) == (None, why)


def test_studies_that_are_no_priors_are_told_for_their_reason():
    """As the archive tells them."""
    found = offered(archive(report(PatientSex="M")), OWN, "")
    assert (dict(found.offers), [one.sex for one in found.others]) == ({}, ["M"])


def test_only_the_newest_studies_are_looked_into():
    """None that is older than what we have; of many, a few."""
    files = [report(StudyInstanceUID=f"1.2.{n}", StudyDate=f"202601{n:02d}") for n in range(10, 20)]
    found = offered(archive(*files), OWN, "")
    assert [facts.date for facts in found.offers] == ["20260119", "20260118", "20260117", "20260116"]
    assert [facts.date for facts in offered(archive(*files), OWN, "20260118").offers] == [
        "20260119",
        "20260118",
    ]


def test_more_than_is_taken_is_not_taken():
    """Neither in number nor in bytes."""
    files = [report(1, SOPInstanceUID=f"1.2.{n}") for n in range(100, 100 + elsewhere.MOST_OBJECTS + 5)]
    made = archive(*files)
    ((facts, offer),) = offered(made, OWN, "").offers.items()
    kept = elsewhere._objects(offer, offer.series, elsewhere.REPORT_CLASSES)
    assert (facts.origin, len(kept)) == (Origin.REPORT, elsewhere.MOST_OBJECTS)


def cut(encoded):
    """A report that breaks off."""
    return encoded[: len(encoded) * 2 // 3]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([cut(report())], "unreadable"),
        ([report(0)], "no-lesions"),
        ([report(encode=chest_cad.encode)], "no-lesions"),
    ],
)
def test_what_says_nothing_says_why(files, why):
    """A cut report, one without lesions, one of another kind."""
    found = told(archive(*files))[Origin.REPORT]
    assert (found.study, found.why_not) == (None, why)


def test_lesions_of_another_frame_of_reference_are_left_out():
    """Those of most are compared, the others counted."""
    found = dcmread(io.BytesIO(report()))
    last = list(regions(found))[-1]
    last.ReferencedFrameOfReferenceUID = "1.2.3"
    assert last.ReferencedFrameOfReferenceUID != FRAME
    prior = told(archive(as_file(found)))[Origin.REPORT]
    assert len(prior.study.nodules) == 4
    assert [(one.reason, one.count) for one in prior.left_out] == [("other-frame", 1)]


def regions(item):
    """Every region in space of a report."""
    for one in item.get("ContentSequence", ()):
        if one.ValueType == "SCOORD3D":
            yield one
        yield from regions(one)


def test_an_archive_that_fails_is_no_archive_without_priors():
    """Neither where it cannot be asked nor where nothing comes."""
    with pytest.raises(ArchiveError):
        offered(archive(report(), dead=True), OWN, "")
    made = archive(report())
    ((facts, offer),) = offered(made, OWN, "").offers.items()
    made.reports.mute = True
    with pytest.raises(ArchiveError, match="it broke"):
        fetched(offer, facts, OWN)


def test_an_exam_without_an_earlier_date_is_none():
    """Of the same day, without times; or later."""
    for day in ("20260101", "20251231"):
        assert told(archive(report()), replace(OWN, date=day)) == {}
