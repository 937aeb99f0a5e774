import io
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicoms import coded
from pydicom import dcmread
from reports import FRAME, GRID, analysis, as_file, ct_series, ct_slice, labels, nodules

from millet.codec import codes, labelmap, seg, seg_reading, sr, sr_reading
from millet.codec.source import Source
from millet.codec.sr_region import Flaw, Segment

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
SOURCE = Source.read(ct_series())
LIVER = codes.Code("10200004", "SCT", "Liver")
LUNG_MASK = codes.Code("39607008", "SCT", "Lung structure")


def voxels(nodule, drawn):
    """Where the labels of a nodule lie, on average, in mm."""
    at = np.unravel_index(drawn.voxels[drawn.numbers == nodule.number], drawn.shape)
    return GRID.to_patient_array(np.stack(at, axis=1)).mean(axis=0)


def test_each_nodule_of_our_mask_is_read():
    """All lie in one segment; each is where it was drawn and as large."""
    found = nodules(12)
    drawn = labels(found)
    read = seg_reading.read(seg.encode(analysis(found), drawn, SOURCE))
    assert (read.frame_of_reference_uid, read.elsewhere) == (FRAME, 0)
    places = np.asarray(sorted(one.centre_mm for one in read.lesions))
    assert places == pytest.approx(np.asarray(sorted(map(tuple, (voxels(one, drawn) for one in found)))))
    sizes = np.bincount(drawn.numbers, minlength=13)[1:] * 125.0
    assert sorted(one.volume_mm3 for one in read.lesions) == pytest.approx(sorted(sizes))


def test_each_segment_of_our_label_map_is_read_under_its_name():
    """Compressed frames, a segment a nodule; the background is none."""
    found = nodules(12)
    read = seg_reading.read(labelmap.encode(analysis(found), labels(found), SOURCE))
    assert [one.tracking_uid for one in read.lesions] == [one.tracking_uid for one in found]
    assert [one.segment for one in read.lesions] == list(range(1, 13))


def segment(number, kind=codes.NODULE, site=None):
    """One of somebody else's."""
    return SegmentDescription(
        number,
        f"Segment {number}",
        coded(codes.ABNORMAL_STRUCTURE),
        coded(kind),
        SegmentAlgorithmTypeValues.MANUAL,
        tracking_id=f"N{number}",
        tracking_uid=f"2.25.{number}",
        anatomic_regions=[coded(site)] if site else None,
    )


def theirs(segments, kind=SegmentationTypeValues.BINARY, syntax="1.2.840.10008.1.2.1"):
    """A segmentation by highdicom: cubes of three slices, of so many voxels a side as their number."""
    masks = np.zeros((30, 64, 64, len(segments)), np.uint8)
    for number in range(1, len(segments) + 1):
        masks[9:12, 10 * number : 11 * number, 20 : 20 + number, number - 1] = 1
    made = highdicom.seg.Segmentation(
        [dcmread(io.BytesIO(as_file(ct_slice(number)))) for number in range(30)],
        masks.astype(float) if kind is SegmentationTypeValues.FRACTIONAL else masks,
        kind,
        segments,
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="other",
        manufacturer_model_name="other",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
    )
    return as_file(made, syntax)


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        (SegmentationTypeValues.BINARY, "1.2.840.10008.1.2.1"),
        (SegmentationTypeValues.BINARY, "1.2.840.10008.1.2"),
        (SegmentationTypeValues.FRACTIONAL, "1.2.840.10008.1.2.1"),
        (SegmentationTypeValues.FRACTIONAL, "1.2.840.10008.1.2.5"),
    ],
)
def test_other_peoples_segments_are_read_in_every_form(kind, syntax):
    """Centre, volume, diameter and name of each."""
    read = seg_reading.read(theirs([segment(1), segment(2), segment(3)], kind, syntax))
    assert [one.tracking_uid for one in read.lesions] == ["2.25.1", "2.25.2", "2.25.3"]
    assert [one.volume_mm3 for one in read.lesions] == pytest.approx([3 * n * n * 125.0 for n in (1, 2, 3)])
    assert read.lesions[0].centre_mm == pytest.approx((-160 + 5 * 20, -160 + 5 * 10, -75 + 5 * 10))
    assert read.lesions[0].diameter_mm == pytest.approx((6 * 375 / np.pi) ** (1 / 3))


def test_what_is_no_nodule_of_the_lungs_is_none():
    """A mask of an organ is passed over, a lesion elsewhere is counted."""
    read = seg_reading.read(
        theirs([segment(1, LUNG_MASK), segment(2, site=LIVER), segment(3, site=codes.LUNG)])
    )
    assert ([one.segment for one in read.lesions], read.elsewhere, read.names_lungs) == ([3], 1, True)
    assert not seg_reading.read(theirs([segment(1)])).names_lungs


@pytest.mark.parametrize(
    "damage",
    [
        lambda encoded: encoded[:200],
        lambda encoded: encoded[: len(encoded) // 2],
        lambda _: as_file(ct_slice(1)),
        lambda _: b"",
        lambda encoded: encoded.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.99"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_word_of_it(damage):
    """Cut, no segmentation at all, or compressed in an unknown way."""
    with pytest.raises(ValueError, match="segmentation") as failure:
        seg_reading.read(damage(theirs([segment(1)])))
    assert "Doe" not in str(failure.value)


def test_frames_at_angles_are_no_volume():
    """What lies side by side only."""
    made = dcmread(io.BytesIO(theirs([segment(1)])))
    (shared,) = made.SharedFunctionalGroupsSequence
    usual = shared["PlaneOrientationSequence"].value
    del shared.PlaneOrientationSequence
    for number, frame in enumerate(made.PerFrameFunctionalGroupsSequence):
        frame.PlaneOrientationSequence = deepcopy(usual)
        if number:
            frame.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
    with pytest.raises(ValueError, match="cannot be read"):
        seg_reading.read(as_file(made))


def test_lesions_of_a_report_that_are_segments_get_their_places():
    """And their sizes, where the report says none; others stay as they were."""
    report = sr_reading.read(sr.encode(analysis(nodules(3)), SOURCE))
    drawn = seg_reading.read(theirs([segment(1), segment(2)]))
    first, second, third = report.lesions
    nowhere = {"centre_mm": None, "diameter_mm": None, "flaws": (Flaw.SEGMENT_ONLY, Flaw.NO_SIZE)}
    first = replace(first, segment=Segment(drawn.sop_instance_uid, 2), **nowhere)
    second = replace(second, segment=Segment("1.2.3", 1), **nowhere)
    told = seg_reading.placed(replace(report, lesions=(first, second, third)), [drawn])
    assert told.lesions[0].centre_mm == drawn.lesions[1].centre_mm
    assert (told.lesions[0].diameter_mm, told.lesions[0].flaws) == (drawn.lesions[1].diameter_mm, ())
    assert told.lesions[1:] == (second, third)


@pytest.mark.real_data
@pytest.mark.parametrize(("mask", "report"), [(10, 11), (12, 13), (14, 15), (16, 17)])
def test_segmentations_of_a_public_collection_are_read(mask, report):
    """LIDC-IDRI-0001 by four readers: what was drawn is what the report measured, contours included."""
    folder = DATA / "lidc-idri" / "structured-reports"
    if not folder.exists():
        pytest.skip(f"needs {folder} (MILLET_TEST_DATA)")
    drawn = seg_reading.read((folder / f"LIDC-IDRI-0001_SEG_{mask}.dcm").read_bytes())
    told = sr_reading.read((folder / f"LIDC-IDRI-0001_SR_{report}.dcm").read_bytes())
    (lesion,) = seg_reading.placed(told, [drawn]).lesions
    assert (lesion.centre_mm, lesion.flaws) == (drawn.lesions[0].centre_mm, ())
    assert drawn.lesions[0].volume_mm3 == pytest.approx(lesion.volume_mm3, rel=0.1)
