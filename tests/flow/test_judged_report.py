"""Reports of others that were sent to be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import foreign_reports
import pytest
from brains import brain
from pydicom import Dataset, dcmread
from reports import SERIES, analysis, as_file, ct_series, nodules
from validators import assert_dciodvfy, assert_dsrdump

from millet.codec import record, sr
from millet.codec.source import Source
from millet.core.analysis import Outcome, TriageLevel
from millet.core.language import Language
from millet.core.reasons import Reason
from millet.core.uids import object_uid
from millet.flow.analyse import Order
from millet.flow.foreign import Bench
from millet.flow.judged_report import finish

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = Order(site="default", study_uid="1.2", series_uid="1.2.3", generation=1, created_utc=NOW)
GERMAN = Language.GERMAN
MANY = foreign_reports.of(brain({3: 20, 9: 20}))
FEW = foreign_reports.of(brain({3: 2}))


def here(_series_uid):
    """The images that the reports name."""
    return foreign_reports.MR


def nowhere(_series_uid):
    """No images."""
    return ()


def judged(*reports, images=here, order=ORDER):
    """What becomes of reports."""
    return finish(order, reports, images, Bench(language=order.language))


def written(made, folder):
    """The SR as a file; messages are made beside it, and nothing that is of images."""
    assert set(made.objects) == {"sr", "fhir", "hl7-oru"}
    path = folder / "sr.dcm"
    path.write_bytes(made.objects["sr"])
    return path


def test_lesions_of_others_are_judged_and_told(tmp_path):
    """The level reaches the worklist, and the SR has the name that the journal knows it by."""
    made = judged(MANY)
    found = made.analysis
    assert (found.outcome, found.triage.level) == (Outcome.JUDGED, TriageLevel.NOTABLE)
    level = "brain-miliary-mr, level 1, miliary metastasis by these criteria"
    assert found.triage.reasons[0] == f"40 lesions of somebody else's report: {level}"
    assert (found.nodules, found.looked, found.count_reliable) == ((), False, False)
    report = dcmread(BytesIO(made.objects["sr"]))
    assert report.SOPInstanceUID == object_uid(found, "sr")
    path = written(made, tmp_path)
    assert_dciodvfy(path)
    assert "brain-miliary-mr" in assert_dsrdump(path)
    assert record.decode(record.encode(found)) == found


def test_the_same_report_makes_the_same_objects():
    """A work that is done twice is sent once."""
    assert judged(MANY).objects == judged(MANY).objects


def test_criteria_that_do_not_hold_rule_nothing_out():
    """No level is the absence of one, and never the word normal."""
    found = judged(FEW).analysis
    assert found.triage.level is TriageLevel.UNFLAGGED
    assert "rules nothing out" in found.triage.reasons[0]


def test_what_could_not_be_evaluated_is_worth_a_look():
    """Without the images nobody knows how many lie on one."""
    found = judged(MANY, images=nowhere).analysis
    assert found.triage.level is TriageLevel.NOTABLE
    assert "not evaluated" in found.triage.reasons[0]
    assert any("modality" in said for said in found.not_assessed)


@pytest.mark.parametrize("language", list(Language))
def test_it_speaks_the_language_of_the_service(language):
    """Reasons, what was not assessed, and the report."""
    order = Order(
        site="default", study_uid="1.2", series_uid="1.2.3", generation=1, created_utc=NOW, language=language
    )
    made = judged(MANY, order=order)
    said = made.analysis.triage.reasons[0], made.analysis.not_assessed[0]
    assert all(("eines fremden Berichts" in one or "Bilder" in one) is (language is GERMAN) for one in said)


CUT = MANY[: len(MANY) // 3]
SITELESS = foreign_reports.group(1, brain({3: 1}).lesions[0], site=foreign_reports.LESION)
OURS = sr.encode(analysis(nodules(3)), Source.read(ct_series()))


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ((MANY, FEW), "other reports of the same series, none of them more urgent: 1"),
        ((FEW, MANY), "other reports of the same series, none of them more urgent: 1"),
        ((MANY, CUT), "other reports of the same series that could not be judged: 1"),
        ((OURS, MANY), "other reports of the same series that could not be judged: 1"),
    ],
    ids=["then few", "few before", "then one cut off", "ours before"],
)
def test_a_further_report_of_a_series_lowers_nothing(reports, told):
    """In whichever order they come the most urgent is told."""
    found = judged(*reports).analysis
    assert found.triage.level is TriageLevel.NOTABLE
    assert told in found.not_assessed


def test_a_report_that_replaces_another_counts_in_its_place():
    """Wherever it stands in the series; of those that name each other both count."""
    first, instead = names(MANY, FEW)
    for reports in ((first, instead), (instead, first)):
        found = judged(*reports).analysis
        assert found.triage.level is TriageLevel.UNFLAGGED
        assert "reports of the same series that another one replaces: 1" in found.not_assessed
    assert judged(*names(instead, first)).analysis.triage.level is TriageLevel.NOTABLE


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_reports_that_name_each_other_replace_nothing(places):
    """A third one lowers nothing, wherever it stands; so it is where three of them do in a ring."""
    old, new = names(*names(FEW, MANY)[::-1])
    third = foreign_reports.of(brain({3: 3}))
    ring = names(third, MANY)[1], names(FEW, third)[1], names(MANY, FEW)[1]
    for reports in ((old, new, third), ring):
        found = judged(*(reports[place] for place in places)).analysis
        assert found.triage.level is TriageLevel.NOTABLE
        assert "other reports of the same series, none of them more urgent: 2" in found.not_assessed


def test_a_predecessor_without_a_uid_is_none():
    """A report that cannot be read has no UID either, and is told as such, not as replaced."""
    nameless = dcmread(BytesIO(names(FEW, MANY)[1]))
    (document,) = nameless.PredecessorDocumentsSequence
    document.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = ""
    found = judged(as_file(nameless), bytes(4096)).analysis
    assert "other reports of the same series that could not be judged: 1" in found.not_assessed


def names(before, after):
    """Two reports, of which the second names the first as its predecessor."""
    old, new = dcmread(BytesIO(before)), dcmread(BytesIO(after))
    at, series = Dataset(), Dataset()
    at.ReferencedSOPClassUID, at.ReferencedSOPInstanceUID = old.SOPClassUID, old.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = old.SeriesInstanceUID, [at]
    document = Dataset()
    document.StudyInstanceUID, document.ReferencedSeriesSequence = old.StudyInstanceUID, [series]
    new.PredecessorDocumentsSequence = [document]
    return before, as_file(new)


@pytest.mark.parametrize(
    "report", [CUT, foreign_reports.report([SITELESS])], ids=["cut off", "of no known organ"]
)
def test_a_report_that_cannot_be_judged_is_not_analysed(report, tmp_path):
    """With its coded reason, and in a report of its own where one can be made."""
    made = judged(report)
    found = made.analysis
    assert (found.outcome, found.reason_code) == (Outcome.NOT_ANALYSED, Reason.REPORT_UNFIT)
    assert found.triage.level is TriageLevel.NOT_ASSESSED
    assert_dciodvfy(written(made, tmp_path))


def test_our_own_report_does_not_go_round_in_circles():
    """It is refused, and nothing is made that could come back in its turn."""
    made = judged(OURS)
    assert made.analysis.reason_code == Reason.OWN_REPORT
    assert made.objects == {}


def test_images_of_several_series_are_not_chosen_from():
    """Where a report names one that is here, its images count; of an unknown one, none."""
    asked = []

    def images(series_uid):
        asked.append(series_uid)
        return foreign_reports.MR

    judged(MANY, images=images)
    assert asked == [SERIES]


@pytest.mark.parametrize("language", list(Language))
def test_images_that_cannot_be_read_stop_no_report(language):
    """It is judged as without any; the analysis and the SR say why."""
    made = judged(MANY, images=lambda _: [b"rubbish"] * 3, order=replace(ORDER, language=language))
    found, alone = made.analysis, judged(MANY, images=nowhere).analysis
    assert (found.outcome, found.triage.level) == (Outcome.JUDGED, alone.triage.level)
    why = {Language.ENGLISH: "names cannot be read", GERMAN: "nennt, sind nicht lesbar"}[language]
    assert why in " ".join(found.not_assessed)
    assert why in told_in(made)


OTHER_PATIENT = "the images that the report names are of another patient: judged without them"
OTHER_STUDY = "the images that the report names are of another study: judged without them"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"PatientID": "54321"}, OTHER_PATIENT),
        ({"PatientID": ""}, OTHER_PATIENT),
        ({"IssuerOfPatientID": "ELSEWHERE"}, OTHER_PATIENT),
        ({"PatientBirthDate": "19600102"}, OTHER_PATIENT),
        ({"PatientSex": "M", "StudyInstanceUID": "1.2.3"}, OTHER_PATIENT),
        ({"StudyInstanceUID": "1.2.3"}, OTHER_STUDY),
    ],
    ids=["ID", "no ID", "issuer", "birth date", "sex", "study"],
)
def test_images_of_somebody_else_are_not_used(changes, why):
    """Be it one of them: the report is judged as without any, and says why."""
    alone = judged(MANY, images=nowhere).analysis
    stray = foreign_reports.mr_series(1, **changes)
    made = judged(MANY, images=lambda _: (*foreign_reports.MR[1:], *stray))
    assert made.analysis.judgements == alone.judgements
    assert why in made.analysis.not_assessed
    assert why in told_in(made)


def test_images_that_say_less_of_the_patient_or_are_of_an_earlier_study_are_used():
    """What is empty contradicts nothing, and a report may name images of another study of the patient."""
    silent = {"IssuerOfPatientID": "", "PatientBirthDate": "", "PatientSex": "", "PatientName": "DOE^JANE"}
    images = foreign_reports.mr_series(**silent, StudyInstanceUID="1.2.3")
    named = dcmread(BytesIO(MANY))
    named.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID = "1.2.3"
    found = judged(as_file(named), images=lambda _: images).analysis
    assert found.judgements == judged(MANY).analysis.judgements
    assert len(found.not_assessed) == 1


def told_in(made):
    """All text of the SR."""
    report = dcmread(BytesIO(made.objects["sr"]))
    return " ".join(element.value for element in report.iterall() if element.keyword == "TextValue")
