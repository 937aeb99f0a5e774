import io

import pytest
from characters import whole
from pydicom import dcmread
from reports import REFUSED, analysis, ct_series, nodules

from millet.codec import chest_cad, codes
from millet.codec.outline import Planes, outline, planes
from millet.codec.source import Source
from millet.core.uids import object_uid

SOURCE = Source.read(ct_series())


def _read(made, source=SOURCE):
    return dcmread(io.BytesIO(chest_cad.encode(made, source)))


def _items(ds, concept):
    """The children of an item, or of the root, by concept."""
    return [
        item
        for item in ds.get("ContentSequence", [])
        if item.get("ConceptNameCodeSequence", [{}])[0].get("CodeValue") == concept.value
    ]


def _value(item):
    return item.ConceptCodeSequence[0].CodeValue


def _one(ds, *path):
    for concept in path:
        (ds,) = _items(ds, concept)
    return ds


@pytest.mark.parametrize("count", [1, 30, 120])
def test_every_nodule_is_a_finding(count):
    """In order, with class, identity, certainty, diameter and volume."""
    made = whole(count)
    findings = _items(_one(_read(made), codes.SUMMARY), codes.IMAGE_FINDING)
    for finding, nodule in zip(findings, made.nodules, strict=True):
        assert _value(finding) == codes.CLASSES[nodule.nodule_class].value
        assert _one(finding, codes.TRACKING_UID).UID == nodule.tracking_uid
        numbers = {
            code: float(_one(finding, code).MeasuredValueSequence[0].NumericValue)
            for code in (codes.CERTAINTY, codes.DIAMETER, codes.VOLUME)
        }
        assert numbers == {
            codes.CERTAINTY: round(100 * nodule.character.probability, 1),
            codes.DIAMETER: round(nodule.diameter_mm, 2),
            codes.VOLUME: round(nodule.volume_mm3, 1),
        }


def test_centre_and_outline_are_on_the_slice():
    """TID 4107: a POINT and a closed POLYLINE, each selected from the image."""
    made = whole(5)
    known = Planes(planes(SOURCE))
    findings = _items(_one(_read(made), codes.SUMMARY), codes.IMAGE_FINDING)
    for finding, nodule in zip(findings, made.nodules, strict=True):
        drawn = outline(nodule, known)
        centre, line = _one(finding, codes.CENTRE), _one(finding, codes.OUTLINE)
        assert (centre.GraphicType, line.GraphicType) == ("POINT", "POLYLINE")
        assert list(centre.GraphicData) == pytest.approx(drawn.centre, abs=1e-4)
        assert len(line.GraphicData) == 2 * len(drawn.points)
        for item in (centre, line):
            (image,) = item.ContentSequence
            assert image.RelationshipType == "SELECTED FROM"
            assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == drawn.image.sop_instance_uid


@pytest.mark.parametrize(
    ("made", "summary", "detections", "listed"),
    [
        (analysis(nodules(2)), codes.WITH_FINDINGS, codes.SUCCEEDED, codes.SUCCESSFUL_DETECTIONS),
        (analysis(), codes.WITHOUT_FINDINGS, codes.SUCCEEDED, codes.SUCCESSFUL_DETECTIONS),
        (analysis(remarks=[REFUSED]), codes.NOT_SUCCEEDED, codes.FAILED, codes.FAILED_DETECTIONS),
    ],
    ids=["found", "none", "refused"],
)
def test_what_was_tried_is_said(made, summary, detections, listed):
    """Outcome, detections with algorithm and series, and that nothing was analysed further."""
    ds = _read(made)
    assert _value(_one(ds, codes.SUMMARY)) == summary.value
    assert _value(_one(ds, codes.DETECTIONS)) == detections.value
    tried = _one(ds, codes.DETECTIONS, listed, codes.DETECTION)
    assert _one(tried, codes.ALGORITHM).TextValue == "log"
    assert _one(tried, codes.SERIES_UID).UID == made.series_uid
    assert _value(_one(ds, codes.ANALYSES)) == codes.NOT_ATTEMPTED.value


def test_it_says_what_it_is():
    """Unverified, not reviewed, research; model, configuration, lungs and what was not assessed."""
    made = whole(2)
    ds = _read(made)
    said = _one(ds, codes.SUMMARY, codes.IMPRESSION).TextValue
    for words in ("not reviewed", "Research use only", "model log 1", "configuration cdcdcd", "lymph nodes"):
        assert words in said
    assert "4.75 l" in said
    assert ds.VerificationFlag == "UNVERIFIED"
    assert ds.SOPInstanceUID == object_uid(made, "cad")
    assert ds.SOPClassUID == chest_cad.CHEST_CAD_SR


def test_a_nodule_on_no_known_slice_is_a_finding_all_the_same():
    """Without centre and outline."""
    bare = Source.read(ct_series(2, ImagePositionPatient=None))
    (finding,) = _items(_one(_read(analysis(nodules(1)), bare), codes.SUMMARY), codes.IMAGE_FINDING)
    assert not _items(finding, codes.CENTRE)
    assert _one(finding, codes.DIAMETER)


def test_the_same_analysis_gives_the_same_bytes():
    """Encoding twice gives one object."""
    made = whole(4)
    assert chest_cad.encode(made, SOURCE) == chest_cad.encode(made, Source.read(ct_series()))
