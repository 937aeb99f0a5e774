import io
from dataclasses import replace

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from reports import GRID, STUDY, analysis, ct_series, dense, labels, nodules, sop_uid, sparse

from millet.codec import codes, seg
from millet.codec.source import Source
from millet.core.nodule import NoduleClass, Side


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _mask(encoded):
    """(slice, row, column, segment), as highdicom reads it for all source images."""
    read = highdicom.seg.segread(io.BytesIO(encoded))
    uids = [sop_uid(number) for number in range(GRID.shape[0])]
    return read.get_pixels_by_source_instance(uids, combine_segments=False, ignore_spatial_locations=False)


@pytest.mark.parametrize("mass", [False, True])
def test_highdicom_reads_the_mask_back(mass, source):
    """Every voxel of every nodule on its own source image; masses in a segment of their own."""
    found = nodules(40, mass=mass)
    volume = dense(labels(found))
    got = _mask(seg.encode(analysis(found), labels(found), source))
    for segment, kind in enumerate([NoduleClass.NODULE, NoduleClass.MASS][: got.shape[-1]]):
        numbers = [nodule.number for nodule in found if nodule.nodule_class is kind]
        assert np.array_equal(got[..., segment] > 0, np.isin(volume, numbers))
    assert got.shape[-1] == 1 + mass


def test_only_frames_that_hold_something_are_written(source):
    """One nodule on one slice is one frame, placed by the very bytes of its source image."""
    found = nodules(1)
    ds = dcmread(io.BytesIO(seg.encode(analysis(found), labels(found), source)))
    assert ds.NumberOfFrames == 1
    z = round(GRID.to_index(found[0].centre_mm).z)
    (frame,) = ds.PerFrameFunctionalGroupsSequence
    place = frame.PlanePositionSequence[0].ImagePositionPatient
    assert [str(v) for v in place] == ["-160.0", "-160.0", str(-75.0 + 5 * z)]
    origin = frame.DerivationImageSequence[0].SourceImageSequence[0]
    assert origin.ReferencedSOPInstanceUID == sop_uid(z)


def test_frames_follow_the_order_of_the_stack():
    """A stack given head first has its mask on the same images as one given feet first."""
    found = nodules(40, mass=True)
    upside, files = labels(found), ct_series()
    downside = sparse(dense(upside)[::-1])
    upwards = seg.encode(analysis(found), upside, Source.read(files))
    downwards = seg.encode(analysis(found), downside, Source.read(files[::-1]))
    assert np.array_equal(_mask(upwards), _mask(downwards))


@pytest.mark.parametrize(("rows", "columns"), [(5, 7), (9, 3), (8, 8)])
def test_bits_run_on_from_frame_to_frame(rows, columns):
    """Frames whose pixels do not fill whole bytes are packed without gaps."""
    files = ct_series(11, Rows=rows, Columns=columns)
    volume = np.random.default_rng(1).integers(0, 2, (11, rows, columns)).astype(np.uint16)
    ds = dcmread(io.BytesIO(seg.encode(analysis(nodules(1)), sparse(volume), Source.read(files))))
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[: volume.size]
    assert np.array_equal(bits.reshape(volume.shape), volume)


@pytest.mark.parametrize(("sides", "modifier"), [("l", ["left"]), ("r", ["right"]), ("lr", [])])
def test_a_side_is_named_where_there_is_only_one(sides, modifier, source):
    """The region carries its laterality when all nodules of the segment share it."""
    names = {"l": Side.LEFT, "r": Side.RIGHT}
    found = [replace(nodules(2)[n], side=names[side]) for n, side in enumerate(sides)]
    ds = dcmread(io.BytesIO(seg.encode(analysis(found), labels(found), source)))
    (region,) = ds.SegmentSequence[0].AnatomicRegionSequence
    assert region.CodeValue == codes.LUNG.value
    modifiers = region.get("AnatomicRegionModifierSequence", [])
    assert [item.CodeMeaning.lower() for item in modifiers] == modifier


def test_a_mass_alone_is_segment_one(source):
    """Segments count from one, whichever of them there is."""
    found = nodules(1, mass=True)
    ds = dcmread(io.BytesIO(seg.encode(analysis(found), labels(found), source)))
    (segment,) = ds.SegmentSequence
    assert (segment.SegmentNumber, segment.SegmentLabel) == (1, "mass")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == codes.MASS.value
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentAlgorithmName == "Millet log 1"


def test_nothing_labelled_is_no_object(source):
    """Without a labelled voxel there is no segmentation to send."""
    assert seg.encode(analysis(), sparse(np.zeros(GRID.shape, np.uint16)), source) is None


def test_labels_that_do_not_fit_are_refused(source):
    """A mask of another shape, or a number that no nodule has, never becomes an object."""
    with pytest.raises(ValueError, match="do not fit"):
        seg.encode(analysis(), sparse(np.zeros((3, 4, 5), np.uint16)), source)
    wrong = np.zeros(GRID.shape, np.uint16)
    wrong[0, 0, 0] = 2
    with pytest.raises(ValueError, match="no nodule's number"):
        seg.encode(analysis(nodules(1)), sparse(wrong), source)


def test_numbers_beyond_sixteen_bits_make_the_same_mask(source):
    """Nodule 70,000 is drawn like nodule 1."""
    found = nodules(1)
    late = tuple(replace(nodule, number=70_000) for nodule in found)
    wide = sparse(dense(labels(found)) * 70_000)
    one, other = (
        dcmread(io.BytesIO(seg.encode(analysis(n), v, source)))
        for n, v in ((found, labels(found)), (late, wide))
    )
    assert other.PixelData == one.PixelData


def test_the_same_analysis_gives_the_same_mask():
    """Encoding twice gives one object, in the study of the source."""
    found = nodules(5)
    once, again = (seg.encode(analysis(found), labels(found), Source.read(ct_series())) for _ in range(2))
    assert once == again
    assert dcmread(io.BytesIO(once)).StudyInstanceUID == STUDY


def test_a_lossy_source_makes_a_lossy_mask():
    """What was once compressed with loss says so in what is derived from it."""
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "9.5"}
    found = nodules(1)
    encoded = seg.encode(analysis(found), labels(found), Source.read(ct_series(**lossy)))
    ds = dcmread(io.BytesIO(encoded))
    assert (ds.LossyImageCompression, ds.LossyImageCompressionRatio) == ("01", 9.5)
