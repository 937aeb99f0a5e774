import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from characters import characterised, whole
from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    ReferencedSegment,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from highdicoms import coded, foreign, volumetric
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage
from reports import FRAME, GRID, REFUSED, analysis, as_file, ct_series, ct_slice, nodules, sop_uid

from millet.codec import codes, sr, sr_reading, sr_values, summary_sr
from millet.codec.outline import planes
from millet.codec.source import Source
from millet.codec.sr_region import Flaw, Segment
from millet.core.character import Lobe
from millet.core.geometry import PointMm
from millet.core.nodule import Side

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
SOURCE = Source.read(ct_series())


def _own(made):
    return sr_reading.read(sr.encode(made, SOURCE), frame_of_reference_uid=FRAME, grid=GRID)


@pytest.mark.parametrize("compared", [False, True])
def test_our_own_report_reads_back_whole(compared):
    """N of N, in order, with every number as it was rounded, and every mark."""
    made = whole(60, compared=compared)
    report = _own(made)
    changes = {one.number: one for one in made.change.nodules} if made.change else {}
    assert report.whole
    for lesion, nodule in zip(report.lesions, made.nodules, strict=True):
        change = changes.get(nodule.number)
        assert lesion.tracking_uid == (change.tracking_uid if change else nodule.tracking_uid)
        assert lesion.centre_mm == pytest.approx(nodule.centre_mm, abs=1e-4)
        assert lesion.diameter_mm == round(nodule.diameter_mm, 2)
        assert lesion.volume_mm3 == round(nodule.volume_mm3, 1)
        assert (lesion.side, lesion.lobe) == (nodule.side, nodule.character.lobe)
        assert lesion.zone == nodule.character.zone
        assert lesion.image_uid == nodule.source_sop_instance_uid
        assert lesion.flaws == ()
        told = {(number.concept, number.derived): number.value for number in lesion.numbers}
        for field, value in sr_values.numbers(nodule.character, change):
            assert told[field.concept, field.derived] == value
        said = set(lesion.evaluations)
        assert (codes.TYPE, codes.TYPES[nodule.character.type]) in said
        assert {(mark.concept, mark.value) for mark in sr_values.marks(nodule.character, change)} <= said


def test_two_thousand_are_read_as_two_thousand():
    """No number is too many."""
    report = _own(analysis(nodules(2000)))
    assert len(report.lesions) == 2000
    assert len({lesion.tracking_uid for lesion in report.lesions}) == 2000


def test_what_is_no_lesion_is_passed_over_with_its_reason():
    """Effusion, exam, and nodules that are gone."""
    report = _own(whole(3))
    assert len(report.lesions) == 3
    assert sum("gone since" in why for why in report.passed_over) == 2
    assert sum("no region" in why for why in report.passed_over) == 2


def test_what_made_our_report_is_read():
    """A follow-up asks for the digest of the model."""
    assert _own(analysis()).parameters["model-sha256"] == "ab" * 32
    assert _own(analysis(remarks=[REFUSED])).lesions == ()


def test_the_summary_is_read_by_its_outlines():
    """Contours on slices become places in the patient."""
    found = characterised(8)
    encoded = summary_sr.encode(analysis(found), SOURCE, masks=True)
    by_uid = {nodule.tracking_uid: nodule for nodule in found}
    read = sr_reading.read(encoded, planes=planes(SOURCE), frame_of_reference_uid=FRAME, grid=GRID)
    assert len(read.lesions) == 8
    for lesion in read.lesions:
        nodule = by_uid[lesion.tracking_uid]
        assert lesion.centre_mm[:2] == pytest.approx(nodule.centre_mm[:2], abs=0.02)
        assert abs(lesion.centre_mm.z - nodule.centre_mm.z) <= 2.5
        assert lesion.flaws == ()
    blind = sr_reading.read(encoded)
    assert all(lesion.flaws == (Flaw.UNKNOWN_IMAGE,) for lesion in blind.lesions)
    assert all(lesion.diameter_mm for lesion in blind.lesions)


# --- other people's ----------------------------------------------------------------------------------


def _planar(number, points, *, kind=GraphicTypeValues.POLYLINE, finding=codes.NODULE, site=None, values=()):
    source = SourceImageForRegion(CTImageStorage, sop_uid(15))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(f"2.25.{number}", f"Other {number}"),
        referenced_region=ImageRegion(kind, np.asarray(points, float), source),
        finding_type=coded(finding),
        finding_sites=[FindingSite(coded(site))] if site else None,
        measurements=[Measurement(name=coded(n), value=v, unit=coded(u)) for n, v, u in values],
    )


def test_highdicoms_report_of_our_nodules_reads_the_same():
    """Volumes in space, in its own encoding."""
    found = characterised(4, mass=True)
    theirs = [
        VolumetricROIMeasurementsAndQualitativeEvaluations.from_sequence([volumetric(one)]) for one in found
    ]
    read = sr_reading.read(foreign(theirs), frame_of_reference_uid=FRAME, grid=GRID)
    for lesion, own in zip(read.lesions, _own(analysis(found)).lesions, strict=True):
        assert (lesion.tracking_uid, lesion.diameter_mm, lesion.lobe) == (
            own.tracking_uid,
            own.diameter_mm,
            own.lobe,
        )
        assert lesion.centre_mm == pytest.approx(own.centre_mm, abs=1e-4)
        assert lesion.flaws == ()


def test_one_bad_group_never_spoils_another():
    """Unknown codes, no size, another unit, an unknown site, a place outside: each said, all kept."""
    square = [(30, 30), (34, 30), (34, 34), (30, 34), (30, 30)]
    odd = codes.Code("777", "99OTHER", "Something else")
    inch = codes.Code("[in_i]", "UCUM", "inch")
    groups = [
        _planar(1, square, values=[(codes.DIAMETER, 0.9, codes.Code("cm", "UCUM", "cm"))]),
        _planar(2, square, finding=odd, values=[(codes.DIAMETER, 9, codes.MM)]),
        _planar(3, square),
        _planar(4, square, values=[(codes.DIAMETER, 1, inch)]),
        _planar(5, square, site=odd, values=[(codes.VOLUME, 113.1, codes.MM3)]),
        _planar(6, [(100, 30), (104, 30), (104, 34), (100, 30)], values=[(codes.LONG_AXIS, 4, codes.MM)]),
        _planar(7, [(30.5, 30.5), (32.5, 30.5)], kind=GraphicTypeValues.CIRCLE),
    ]
    read = sr_reading.read(foreign(groups), planes=planes(SOURCE), frame_of_reference_uid=FRAME, grid=GRID)
    flaws = [lesion.flaws for lesion in read.lesions]
    assert flaws == [
        (),
        (Flaw.UNKNOWN_FINDING,),
        (Flaw.NO_SIZE,),
        (Flaw.NO_SIZE,),
        (Flaw.UNKNOWN_SITE,),
        (Flaw.OUTSIDE,),
        (),
    ]
    sizes = [(lesion.diameter_mm, lesion.size_from) for lesion in read.lesions]
    assert sizes[0] == (9.0, "diameter")
    assert sizes[4] == (pytest.approx(6.0, abs=1e-3), "volume")
    assert sizes[5] == (4.0, "long-axis")
    assert sizes[6] == (pytest.approx(20.0), "region")
    assert read.lesions[0].centre_mm == pytest.approx((-2.5, -2.5, 0.0))
    assert read.lesions[6].centre_mm == pytest.approx((-10.0, -10.0, 0.0))


def test_a_lesion_that_is_only_a_segment_names_it():
    """Its place is in the segmentation."""
    segment = ReferencedSegment(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
        sop_instance_uid=sop_uid(29),
        segment_number=7,
        source_images=[SourceImageForSegmentation(CTImageStorage, sop_uid(3))],
    )
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier("2.25.9", "Other 9"),
        referenced_segment=segment,
        finding_type=coded(codes.NODULE),
        algorithm_id=AlgorithmIdentification("other", "1"),
        measurements=[Measurement(name=coded(codes.DIAMETER), value=4, unit=coded(codes.MM))],
    )
    (lesion,) = sr_reading.read(foreign([group])).lesions
    assert lesion.segment == Segment(sop_uid(29), 7)
    assert lesion.flaws == (Flaw.SEGMENT_ONLY,)
    assert (lesion.diameter_mm, lesion.image_uid) == (4.0, sop_uid(3))


def test_a_lesion_in_another_frame_of_reference_says_so():
    """Its coordinates are not those of the volume."""
    report = sr_reading.read(
        sr.encode(analysis(nodules(1)), SOURCE), frame_of_reference_uid="1.2.3", grid=GRID
    )
    assert report.lesions[0].flaws == (Flaw.OTHER_FRAME,)


def test_a_lesion_outside_the_volume_says_so():
    """A centimetre beyond the outermost slice is still taken for a lesion at the edge."""
    (nodule,) = nodules(1)
    top = 70.0
    near, far = (replace(nodule, centre_mm=PointMm(50, 0, top + beyond)) for beyond in (9, 11))
    assert _own(analysis([near])).lesions[0].flaws == ()
    assert _own(analysis([far])).lesions[0].flaws == (Flaw.OUTSIDE,)


@pytest.mark.parametrize("number", [11, 13, 15, 17])
def test_reports_of_a_public_collection_are_read(number):
    """LIDC-IDRI-0001 by four readers: codes of SNOMED RT, implicit sizes, segments only."""
    path = DATA / "lidc-idri" / "structured-reports" / f"LIDC-IDRI-0001_SR_{number}.dcm"
    if not path.exists():
        pytest.skip(f"needs {path.name} (MILLET_TEST_DATA)")
    read = sr_reading.read(path.read_bytes())
    (lesion,) = read.lesions
    assert lesion.finding.value == "M-03010"
    assert 31 < lesion.diameter_mm < 34
    assert 6000 < lesion.volume_mm3 < 8000
    assert lesion.segment.number == 1
    assert lesion.flaws == (Flaw.SEGMENT_ONLY,)
    assert len(lesion.evaluations) == 9
    assert read.whole


@pytest.mark.parametrize(
    ("value", "scheme", "side", "lobe"),
    [
        ("45653009", "SCT", Side.LEFT, Lobe.LEFT_UPPER),
        ("90572001", "SCT", Side.RIGHT, Lobe.RIGHT_LOWER),
        ("72481006", "SCT", None, Lobe.RIGHT_MIDDLE),
        ("44714003", "SCT", None, Lobe.LEFT_UPPER),
        ("3341006", "SCT", Side.RIGHT, None),
    ],
)
def test_sites_are_understood(value, scheme, side, lobe):
    """Lobes with their laterality, and sites that name their side."""
    laterality = coded(codes.SIDES[side]) if side and lobe else None
    group = _planar(1, [(1, 1), (3, 1), (3, 3), (1, 1)])
    group[0].ContentSequence.append(FindingSite(Code(value, scheme, "site"), laterality=laterality))
    (lesion,) = sr_reading.read(foreign([group])).lesions
    assert (lesion.side, lesion.lobe) == (side, lobe)
    assert Flaw.UNKNOWN_SITE not in lesion.flaws


@pytest.mark.parametrize("encoded", [b"", b"rubbish", as_file(ct_slice(0)), bytes(4096)], ids=len)
def test_what_is_no_report_is_refused(encoded):
    """A plain error, that quotes nothing."""
    with pytest.raises(ValueError, match=r"no (data set|structured report)"):
        sr_reading.read(encoded)


def test_a_report_that_breaks_off_is_read_as_far_as_it_goes():
    """At any byte: no error but the plain one, never more than there is, and it says that it is not whole."""
    encoded = sr.encode(whole(5), SOURCE)
    for end in range(200, len(encoded) - 1, 211):
        try:
            read = sr_reading.read(encoded[:end])
        except ValueError:
            continue
        assert not read.whole
        assert len(read.lesions) <= 5


def test_any_byte_may_be_wrong():
    """Damage ends in a plain error or in what can be told."""
    encoded = bytearray(sr.encode(whole(3), SOURCE))
    rng = np.random.default_rng(6)
    for _ in range(120):
        damaged = bytearray(encoded)
        for at in rng.integers(132, len(encoded), 3):
            damaged[at] = rng.integers(256)
        try:
            sr_reading.read(bytes(damaged), planes=planes(SOURCE), frame_of_reference_uid=FRAME, grid=GRID)
        except ValueError:
            continue
