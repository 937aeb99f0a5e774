from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import foreign_reports
import pytest
from brains import TABLE, brain
from foreign_reports import MR_HEAD, group, mr_series, report
from pydicom import dcmread
from pydicom.sr.coding import Code
from reports import SERIES, analysis, as_file, ct_series, ct_slice, nodules
from validators import assert_dciodvfy, assert_dsrdump, assert_pixelmed

from millet.codec import judged_sr, sr
from millet.codec.reported import Asked
from millet.codec.source import Source
from millet.core.criteria import CriteriaSet, Level, Rule
from millet.core.judgement import Standing
from millet.core.language import Language
from millet.flow.foreign import Bench, judge, series_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TWENTY = brain({3: 20, 9: 20})
REPORT = foreign_reports.of(TWENTY)
UNASKED, MR = Asked(), Asked(modality="MR")
OURS = Bench()
IMAGES = series_of(foreign_reports.MR)
ROWS = [row for row in TABLE if row[1].lesions]
"""highdicom writes no report without a group."""


def _judged(encoded, series=(), asked=UNASKED, bench=OURS):
    return judge(encoded, series_of(series), asked, NOW, bench)[0]


def _levels(judged):
    return {one.criteria: (one.level, one.not_evaluated) for one in judged.judgements}


@pytest.mark.parametrize(("exam", "on_mr"), [row[1:3] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_report_of_the_brain_is_judged_as_the_table_says(exam, on_mr):
    """Hand-made exams, written by highdicom and read from its bytes, with the MR series beside them."""
    series = foreign_reports.MR if exam.images else ()
    judged = _judged(foreign_reports.of(exam), series, Asked(organ="brain", modality="MR"))
    level, why = _levels(judged)["brain-miliary-mr"]
    assert level == on_mr
    assert not on_mr or not why
    assert judged.reported.brought.told == len(exam.lesions)
    other = _levels(judged)["brain-miliary-ct"]
    assert other == (0, "criteria for CT, an exam by MR")


def test_organ_and_modality_are_the_reports_and_the_series():
    """Nothing is asked of whoever has a report with known sites, and its images."""
    judged = _judged(REPORT, foreign_reports.MR)
    exam = judged.reported.brought.exam
    assert (exam.organ, exam.modality, len(exam.lesions)) == ("brain", "MR", 40)
    assert judged.reported.told == ()
    assert _levels(judged)["brain-miliary-mr"] == (1, "")


def test_what_is_not_known_is_said():
    """Without images there is no count on an image, and without a modality both sets are told."""
    judged = _judged(REPORT)
    assert _levels(judged) == {
        "brain-miliary-mr": (0, "not known: images-with-20 (the images' positions)"),
        "brain-miliary-ct": (0, "not known: images-with-10 (the images' positions)"),
    }
    assert judged.reported.told == ("the modality of the images is not known: criteria of each are told",)
    held = {one.name: one.holds for one in judged.judgements[0].conditions}
    assert held["bilateral"]
    assert held["compartments-with-lesions"]


def test_a_flaw_never_spoils_the_rest():
    """Unknown codes are judged and listed; without size, in another frame or organ, outside: left out."""
    odd, lung = Code("777", "99OTHER", "Something"), Code("39607008", "SCT", "Lung")
    good, one = brain({3: 20, 9: 20}).lesions, brain({3: 1}).lesions[0]
    groups = [group(number, lesion) for number, lesion in enumerate(good)]
    groups += [
        group(41, one, finding=odd),
        group(42, one, site=odd),
        group(43, one, sized=False),
        group(44, one, frame="1.2.3"),
        group(45, one, site=lung),
        group(46, replace(one, centre_mm=one.centre_mm._replace(z=900.0))),
    ]
    judged = _judged(report(groups), foreign_reports.MR, Asked(organ="brain"))
    assert judged.reported.brought.left_out == 4
    assert set(judged.reported.told) == {
        "judged, but finding not known here (777, 99OTHER): 1",
        "judged, but finding site not known here (777, 99OTHER): 1",
        "not judged, in another organ: 1",
        "not judged, no size: 1",
        "not judged, place in another frame of reference: 1",
        "not judged, place outside the images: 1",
    }
    assert _levels(judged)["brain-miliary-mr"] == (1, "")


def test_codes_of_others_are_told_in_plain_letters():
    """What a terminal would obey becomes a question mark."""
    odd = Code("7\x1b[2J7", "99OTHER", "Something")
    judged = _judged(report([group(1, TWENTY.lesions[0], finding=odd)]), foreign_reports.MR)
    assert judged.reported.told == ("judged, but finding not known here (7?[2J7, 99OTHER): 1",)


def test_a_level_that_lacks_lesions_says_how_many_could_not_be_judged():
    """Nineteen on an image and one more without a size are not "not met"."""
    lesions = brain({3: 20, 9: 20}).lesions
    groups = [group(number, lesion, sized=number != 39) for number, lesion in enumerate(lesions)]
    level, why = _levels(_judged(report(groups), foreign_reports.MR))["brain-miliary-mr"]
    assert (level, why) == (0, "1 of 40 lesions could not be judged")


def test_our_own_report_of_the_lungs_is_judged_too():
    """Lobes, zones and sides come from its codes; volumes and randomness are not in it, and said so."""
    source = Source.read(ct_series())
    judged = _judged(sr.encode(analysis(nodules(220)), source), ct_series())
    (lung,) = judged.judgements
    assert (lung.criteria, judged.reported.brought.exam.modality) == ("lung-miliary", "CT")
    assert lung.level == 1
    assert "lobe-density-ratio" in lung.not_evaluated or "zone-density-ratio" in lung.not_evaluated


def test_a_sites_own_set_is_judged_beside_ours():
    """Of the organ alone."""
    own = CriteriaSet(
        identifier="brain-any",
        version="north-1",
        organ="brain",
        standing=Standing.PROPOSAL,
        source="a protocol",
        below="none",
        levels=(
            Level(
                meaning="some",
                rules=(
                    Rule(name="any", measure="count", relation=">=", threshold=1, standing=Standing.PROPOSAL),
                ),
            ),
        ),
    )
    bench = Bench(further=(own, replace(own, identifier="lung-any", organ="lung")))
    judged = _judged(REPORT, foreign_reports.MR, bench=bench)
    assert list(_levels(judged)) == ["brain-miliary-mr", "brain-miliary-ct", "brain-any"]
    assert _levels(judged)["brain-any"] == (1, "")
    assert judged.configuration_digest != _judged(REPORT, foreign_reports.MR).configuration_digest


UNPLACED = [group(1, TWENTY.lesions[0], site=Code("777", "99OTHER", "Something"))]
UNEVEN = [at for number, at in enumerate(foreign_reports.MR) if number != 7]
OTHER_SERIES = [*mr_series(3), as_file(ct_slice(9, **MR_HEAD, SeriesInstanceUID="1.2.3"))]


@pytest.mark.parametrize(
    ("encoded", "series", "asked", "why"),
    [
        (b"", (), Asked(), "cannot be read"),
        (bytes(4096), (), Asked(), "cannot be read"),
        (mr_series(1)[0], (), Asked(), "no Enhanced, Comprehensive or Comprehensive 3D SR"),
        (report(UNPLACED), (), Asked(), "no finding site that is known: say which organ"),
        (
            REPORT,
            (),
            Asked(organ="knee"),
            "no criteria for the organ 'knee', only for brain",
        ),
        (REPORT, ct_series(2), Asked(modality="MR"), "the series is CT, not MR"),
        (REPORT, OTHER_SERIES, MR, "images of 2 series"),
        (REPORT, [b"rubbish"], MR, "the images cannot be read"),
    ],
    ids=range(8),
)
def test_what_cannot_be_judged_has_a_reason(encoded, series, asked, why):
    """One sentence, no judgement."""
    with pytest.raises(ValueError, match=why):
        _judged(encoded, series, asked)


def test_images_with_a_hole_are_no_stack():
    """What depends on them is not known, and the rest is judged."""
    judged = _judged(REPORT, UNEVEN)
    assert judged.reported.told == ("the images are no even stack: what depends on them is not known",)
    assert "images-with-20" in judged.judgements[0].not_evaluated


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_report_that_breaks_off_is_judged_as_far_as_it_goes(cut):
    """It says so, and its SR is partial."""
    encoded = REPORT
    judged, source = judge(encoded[: int(cut * len(encoded))], IMAGES, Asked(organ="brain"), NOW, Bench())
    assert "the report breaks off" in " ".join(judged.reported.told)
    assert dcmread(io.BytesIO(judged_sr.encode(judged, source))).CompletionFlag == "PARTIAL"


@pytest.mark.parametrize("kind", foreign_reports.KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("language", Language)
def test_the_judgement_is_a_report_that_others_read(kind, language, tmp_path):
    """Dciodvfy and dsrdump find no fault; it is of the same patient and study, and names its evidence."""
    encoded = foreign_reports.of(TWENTY, kind)
    judged, source = judge(encoded, IMAGES, Asked(organ="brain"), NOW, Bench(language=language))
    assert _levels(judged)["brain-miliary-mr"] == (1, "")
    path = tmp_path / "judged.dcm"
    path.write_bytes(judged_sr.encode(judged, source))
    assert_dciodvfy(path)
    printed = assert_dsrdump(path)
    assert "brain-miliary-mr" in printed
    made, theirs = dcmread(path), dcmread(io.BytesIO(encoded))
    assert (made.PatientID, made.StudyInstanceUID) == (theirs.PatientID, theirs.StudyInstanceUID)
    assert (made.VerificationFlag, made.CompletionFlag) == ("UNVERIFIED", "COMPLETE")
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == theirs.SeriesInstanceUID != made.SeriesInstanceUID != SERIES
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == [theirs.SOPInstanceUID]


def test_highdicom_reads_the_judgement(tmp_path):
    """With PixelMed's templates; every condition is a sentence in it, with its threshold and its standing."""
    from highdicom.sr import srread

    judged, source = judge(REPORT, IMAGES, Asked(), NOW, Bench())
    encoded = judged_sr.encode(judged, source)
    read = srread(io.BytesIO(encoded))
    evaluations = read.content[0].ContentSequence[-1].ContentSequence
    said = [item.TextValue for item in evaluations if item.ValueType == "TEXT"]
    conditions = [text for text in said if text.startswith("brain-miliary-mr bashour-2020: ")]
    assert len(conditions) == len(judged.judgements[0].conditions)
    assert "brain-miliary-mr bashour-2020: images-with-20 2, asked >= 2: holds (published)" in conditions
    assert any(text.startswith("Unverified. Research use only.") for text in said)
    assert any("40 of 40 lesions" in text and source.images[0].sop_instance_uid in text for text in said)
    path = tmp_path / "judged.dcm"
    path.write_bytes(encoded)
    assert_pixelmed(path)


def test_another_threshold_moment_or_question_is_another_object():
    """Never other bytes under an old UID; equal arguments give equal bytes."""
    encoded = REPORT

    def made(at=NOW, asked=UNASKED, series=True, bench=OURS):
        return judged_sr.encode(*judge(encoded, IMAGES if series else None, asked, at, bench))

    every = [
        made(),
        made(at=NOW.replace(hour=13)),
        made(series=False),
        made(series=False, asked=MR),
        made(bench=Bench(language=Language.GERMAN)),
    ]
    assert made() == every[0]
    assert len({dcmread(io.BytesIO(one)).SOPInstanceUID for one in every}) == len(every)
