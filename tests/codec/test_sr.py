import io
from dataclasses import replace

import highdicom
import numpy as np
import pytest
from analyses import PROVENANCE
from characters import whole
from highdicom.sr import srread
from highdicoms import told, volumetric
from pydicom import dcmread
from reports import FRAME, LEFT_EFFUSION, NOTE, REFUSED, SERIES, analysis, cases, ct_series, nodules, sop_uid

from millet.codec import codes, sr
from millet.codec.source import Source
from millet.codec.sr_nodule import CODED_FROM_MM
from millet.core.analysis import Predecessor
from millet.core.nodule import NoduleClass, Side
from millet.core.reasons import Reason, Remark, Weight


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _read(encoded):
    return dcmread(io.BytesIO(encoded))


def _groups(encoded):
    """The nodules, as highdicom reads them back."""
    return srread(io.BytesIO(encoded)).content.get_volumetric_roi_measurement_groups()


def _items(ds, concept):
    """Every content item of a concept, at any depth."""
    for item in ds.get("ContentSequence", []):
        named = item.get("ConceptNameCodeSequence", [{}])[0]
        if named.get("CodeValue") == concept.value or named.get("LongCodeValue") == concept.value:
            yield item
        yield from _items(item, concept)


def _coded(ds, concept):
    values = [item.ConceptCodeSequence[0] for item in _items(ds, concept)]
    return [value.get("CodeValue") or value.LongCodeValue for value in values]


def _texts(ds, concept):
    return [item.TextValue for item in _items(ds, concept) if item.ValueType == "TEXT"]


@pytest.mark.parametrize("count", [1, 30])
def test_highdicom_reads_every_nodule_back(count, source):
    """As many groups as nodules, in order, with identity, class, side and place to 0.01 mm."""
    found = nodules(count, mass=True)
    groups = _groups(sr.encode(analysis(found), source))
    assert len(groups) == count
    for group, nodule in zip(groups, found, strict=True):
        assert group.tracking_uid == nodule.tracking_uid
        assert group.finding_type.value == codes.CLASSES[nodule.nodule_class].value
        assert group.finding_sites[0].laterality.value == codes.SIDES[nodule.side].value
        points = group.roi.graphic_data
        assert np.abs(points.mean(axis=0) - nodule.centre_mm).max() < 0.01
        assert np.ptp(points, axis=0) == pytest.approx([nodule.diameter_mm] * 3, abs=1e-3)
        assert group.roi.frame_of_reference_uid == FRAME
        values = {m.name.value: m.value for m in group.get_measurements()}
        assert values == {
            codes.DIAMETER.value: round(nodule.diameter_mm, 2),
            codes.VOLUME.value: round(nodule.volume_mm3, 1),
            codes.ATTENUATION.value: round(nodule.mean_hu, 1),
            codes.SCORE.value: round(nodule.score, 3),
        }


def test_two_thousand_nodules_are_two_thousand_groups(source):
    """No number of nodules is too many for one report."""
    found = nodules(2000)
    ds = _read(sr.encode(analysis(found), source))
    assert [item.UID for item in _items(ds, codes.TRACKING_UID)][:2000] == [n.tracking_uid for n in found]
    assert len(list(_items(ds, codes.SURFACE))) == 2000


@pytest.mark.parametrize("compared", [False, True])
def test_a_group_is_the_one_that_highdicom_builds(compared, source):
    """Item for item the groups, in both forms, equal highdicom's own for the same values."""
    made = whole(4, compared=compared)
    ds = _read(sr.encode(made, source))
    groups = [g for g in _items(ds, codes.GROUP) if g.ContentTemplateSequence[0].TemplateIdentifier == "1411"]
    changes = {one.number: one for one in made.change.nodules} if made.change else {}
    assert made.nodules[0].diameter_mm > CODED_FROM_MM > made.nodules[1].diameter_mm
    for group, nodule in zip(groups, made.nodules, strict=True):
        assert told(group) == told(volumetric(nodule, changes.get(nodule.number)))


def test_the_same_analysis_gives_the_same_bytes():
    """Encoding twice, from a source read twice, gives one object; another generation gives another."""
    made = analysis(nodules(5), effusions=[LEFT_EFFUSION])
    once, again = (sr.encode(made, Source.read(ct_series())) for _ in range(2))
    assert once == again
    later = sr.encode(replace(made, generation=2), Source.read(ct_series()))
    assert _read(later).SOPInstanceUID != _read(once).SOPInstanceUID


def test_none_found_is_a_report(source):
    """A series without findings says so in code, counts none and claims no absence."""
    ds = _read(sr.encode(analysis(), source))
    assert _coded(ds, codes.SUMMARY) == [codes.WITHOUT_FINDINGS.value]
    (count,) = _items(ds, codes.LESIONS)
    assert count.MeasuredValueSequence[0].NumericValue == 0
    assert "no proof" in _texts(ds, codes.COMPLETENESS)[0]
    assert _coded(ds, codes.TRIAGE) == ["t-unflagged"]


@pytest.mark.parametrize("reason", Reason)
def test_not_analysed_is_a_report_with_its_code(reason, source):
    """Every reason is coded, nothing is measured, nothing is claimed."""
    remark = Remark(reason=reason, weight=Weight.REFUSES, detail="why")
    ds = _read(sr.encode(analysis(remarks=[remark], frame_of_reference_uid=""), source))
    assert _coded(ds, codes.REMARK_REFUSES) == [reason.value]
    assert _texts(ds, codes.REMARK_DETAIL) == [f"{reason.value}: why"]
    assert _coded(ds, codes.SUMMARY) == [codes.NOT_SUCCEEDED.value]
    assert _coded(ds, codes.TRIAGE) == ["t-not-assessed"]
    assert ds.CompletionFlag == "PARTIAL"
    assert not list(_items(ds, codes.MEASUREMENTS))
    assert not list(_items(ds, codes.LESIONS))


def test_a_series_with_broken_geometry_is_reported_from_any_readable_instance():
    """An instance without position, orientation or frame of reference is enough for a report."""
    broken = ct_series(1, ImagePositionPatient=None, ImageOrientationPatient=None, FrameOfReferenceUID=None)
    refused = analysis(remarks=[REFUSED], frame_of_reference_uid="")
    ds = _read(sr.encode(refused, Source.read([b"rubbish", *broken])))
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == [sop_uid(0)]


def test_the_exam_is_told_whole(source):
    """Outcome, triage with reasons, pattern as a proposal, effusion, remarks, gaps, provenance."""
    ds = _read(sr.encode(analysis(nodules(3), [LEFT_EFFUSION], [NOTE]), source))
    assert _coded(ds, codes.SUMMARY) == [codes.WITH_FINDINGS.value]
    assert _coded(ds, codes.TRIAGE) == ["t-critical"]
    assert _texts(ds, codes.TRIAGE_REASON) == ["Because of the test.", "And of ae? too."]
    (level,) = _items(ds, codes.PATTERN)
    assert level.ConceptCodeSequence[0].CodeValue == "LMP-3"
    assert "proposal" in level.ConceptCodeSequence[0].CodeMeaning
    assert _coded(ds, codes.REMARK_NOTE) == ["duplicate-slices"]
    assert _texts(ds, codes.NOT_ASSESSED) == ["lymph nodes", "bones"]
    assert "3 nodules and 0 masses" in _texts(ds, codes.COMPLETENESS)[0]
    parameters = _texts(ds, codes.ALGORITHM_PARAMETERS)
    assert f"model-sha256={'ab' * 32}" in parameters
    assert "precision=fp32" in parameters
    assert f"provider={PROVENANCE.provider}" in parameters
    assert ds.VerificationFlag == "UNVERIFIED"
    assert "Research use" in _texts(ds, codes.COMMENT)[0]
    assert _texts(ds, codes.CREATED) == ["2026-01-01T12:30:05.123456+00:00"]
    assert (ds.ContentDate, ds.ContentTime) == ("20260101", "123005.123456")


@pytest.mark.parametrize("side", Side)
def test_an_effusion_has_its_side(side, source):
    """A group of its own, with finding, side and volume."""
    ds = _read(sr.encode(analysis(effusions=[replace(LEFT_EFFUSION, side=side)]), source))
    (group,) = [g for g in _items(ds, codes.GROUP) if codes.EFFUSION.value in _coded(g, codes.FINDING)]
    assert _coded(group, codes.LATERALITY) == [codes.SIDES[side].value]
    (volume,) = _items(group, codes.VOLUME)
    assert volume.MeasuredValueSequence[0].NumericValue == 120.5


def test_a_mass_is_called_a_mass(source):
    """Above 30 mm the finding is a mass, in code and in its name."""
    (group,) = _groups(sr.encode(analysis(nodules(1, mass=True)), source))
    assert group.finding_type.value == codes.MASS.value
    assert group.tracking_identifier == "Mass 1"
    assert nodules(1, mass=True)[0].nodule_class is NoduleClass.MASS


def test_our_own_text_is_ascii(source):
    """Whatever the reasons say, our text fits the character set of any source."""
    for made in cases().values():
        ds = _read(sr.encode(made, source))
        assert all(text.isascii() for concept in codes.PRIVATE for text in _texts(ds, concept))


def test_an_unknown_slice_is_replaced_by_the_series(source):
    """A nodule whose slice is not in the source refers to the series instead."""
    (nodule,) = nodules(1)
    ds = _read(sr.encode(analysis([replace(nodule, source_sop_instance_uid="1.2.3")]), source))
    (item,) = _items(ds, codes.SOURCE_SERIES)
    assert item.UID == SERIES
    assert highdicom.sr.srread(io.BytesIO(sr.encode(analysis([nodule]), source))).SeriesNumber == 9901


def test_a_report_refers_to_the_one_whose_place_it_takes(source):
    """Predecessor Documents Sequence (PS3.3 C.17.2): study, series and instance of the earlier report."""
    before = Predecessor(generation=1, study_uid="1.2.3", series_uid="2.25.4", sop_instance_uid="2.25.5")
    made = replace(analysis(nodules(2)), generation=2, predecessor=before)
    report = _read(sr.encode(made, source))
    (study,) = report.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.3", "2.25.4")
    assert instance.ReferencedSOPInstanceUID == "2.25.5"
    assert instance.ReferencedSOPClassUID == sr.COMPREHENSIVE_3D_SR
    alone = _read(sr.encode(replace(made, predecessor=None), source))
    assert "PredecessorDocumentsSequence" not in alone
    assert alone.SOPInstanceUID == report.SOPInstanceUID
