import io
from dataclasses import replace

import highdicom
import labelmap_iod
import numpy as np
import pytest
from pydicom import dcmread
from reports import GRID, STUDY, analysis, ct_series, dense, labels, nodules, sop_uid, sparse

from millet.codec import labelmap
from millet.codec.source import Source


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _everywhere(count):
    """So many nodules of a voxel each, no two on one voxel."""
    voxels = np.sort(np.random.default_rng(4).permutation(np.prod(GRID.shape))[:count])
    volume = np.zeros(GRID.shape, np.int64)
    volume.reshape(-1)[voxels] = np.random.default_rng(5).permutation(count) + 1
    return sparse(volume)


def _read(encoded):
    return dcmread(io.BytesIO(encoded))


@pytest.mark.parametrize("count", [1, 18, 255, 256, 2000])
def test_highdicom_reads_every_nodule_back(count, source):
    """Each voxel holds its nodule's number, at its place in the patient, in eight bits or sixteen."""
    numbered = _everywhere(count)
    read = highdicom.seg.segread(io.BytesIO(labelmap.encode(analysis(nodules(count)), numbered, source)))
    assert read.segmentation_type.value == "LABELMAP"
    assert list(read.segment_numbers) == list(range(1, count + 1))
    assert read.BitsAllocated == (8 if count < 256 else 16)
    volume = read.get_volume(combine_segments=True)
    places = np.argwhere(volume.array)
    points = volume.map_indices_to_reference(places)
    got = GRID.to_index_array(points).round().astype(int) @ (GRID.shape[1] * GRID.shape[2], GRID.shape[2], 1)
    order = np.argsort(got)
    assert np.array_equal(got[order], numbered.voxels)
    assert np.array_equal(volume.array[tuple(places[order].T)], numbered.numbers)


def test_each_source_image_has_its_own_frame(source):
    """By highdicom, asked for the frame of each source image."""
    numbered = _everywhere(40)
    read = highdicom.seg.segread(io.BytesIO(labelmap.encode(analysis(nodules(40)), numbered, source)))
    uids = [sop_uid(number) for number in range(GRID.shape[0])]
    got = read.get_pixels_by_source_instance(
        uids, combine_segments=True, ignore_spatial_locations=False, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(got, dense(numbered))


@pytest.mark.parametrize("count", [1, 18, 220, 2000])
def test_it_is_a_label_map_segmentation(count, source):
    """Nothing that the IOD demands is missing, by our table of it."""
    assert (
        labelmap_iod.faults(_read(labelmap.encode(analysis(nodules(count)), _everywhere(count), source)))
        == []
    )


def test_the_table_of_the_iod_holds_what_other_tables_hold(source):
    """Every element that highdicom's copy of PS3.3 always requires is in the object."""
    ds = _read(labelmap.encode(analysis(nodules(3)), labels(nodules(3)), source))
    assert {word for word in labelmap_iod.always_required() if word not in ds} == set()
    assert len(labelmap_iod.always_required()) > 20


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("SegmentsOverlap", "YES"),
        ("PixelPaddingValue", 1),
        ("SegmentationType", "BINARY"),
        ("ContentLabel", ""),
    ],
)
def test_the_check_finds_what_is_wrong(word, value, source):
    """A check that lets everything pass would prove nothing."""
    ds = _read(labelmap.encode(analysis(nodules(3)), labels(nodules(3)), source))
    setattr(ds, word, value)
    assert any(word in fault for fault in labelmap_iod.faults(ds))
    del ds.SegmentSequence[1]
    assert any("which is no segment" in fault for fault in labelmap_iod.faults(ds))


def test_a_frame_for_each_image_that_holds_something(source):
    """However many nodules an image holds it has one frame, and an empty one has none."""
    volume = np.zeros(GRID.shape, np.int64)
    volume[4, 10, 10:20] = np.arange(1, 11)
    volume[9, 5, 5] = 1
    ds = _read(labelmap.encode(analysis(nodules(10)), sparse(volume), source))
    places = [f.PlanePositionSequence[0].ImagePositionPatient[2] for f in ds.PerFrameFunctionalGroupsSequence]
    assert places == [-75 + 5 * 4, -75 + 5 * 9]


def test_more_than_four_hundred_images_lose_none():
    """What viewers find hard is no limit of ours: a thin-slice scan has as many frames as it needs."""
    files = ct_series(420, Rows=4, Columns=4)
    volume = np.zeros((420, 4, 4), np.int64)
    volume[:, 1, 2] = np.arange(1, 421)
    encoded = labelmap.encode(analysis(nodules(420)), sparse(volume), Source.read(files))
    assert np.array_equal(_read(encoded).pixel_array, volume)


def test_a_segment_is_a_nodule(source):
    """Number, tracking UID, class and side are the nodule's."""
    found = nodules(5, mass=True)
    ds = _read(labelmap.encode(analysis(found), labels(found), source))
    background, *segments = ds.SegmentSequence
    assert (background.SegmentNumber, background.SegmentLabel) == (0, "Background")
    told = [(s.SegmentNumber, s.SegmentLabel, s.TrackingUID) for s in segments]
    names = ["Mass 1", *(f"Nodule {number}" for number in range(2, 6))]
    assert told == [(n.number, name, n.tracking_uid) for n, name in zip(found, names, strict=True)]
    sides = [
        s.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning.lower() for s in segments
    ]
    assert sides == [nodule.side.value for nodule in found]


def test_it_says_what_it_is_and_whose(source):
    """Unverified, by which model and criteria, of which lungs, in the source's study."""
    ds = _read(labelmap.encode(analysis(nodules(1)), labels(nodules(1)), source))
    for said in ("not reviewed", "Research use", "model log 1", "criteria", "cdcd", "4.75 l", "lymph nodes"):
        assert said in ds.ImageComments
    assert ds.StudyInstanceUID == STUDY


def test_nothing_labelled_is_no_object(source):
    """Without a labelled voxel there is no segmentation to send."""
    assert labelmap.encode(analysis(), sparse(np.zeros(GRID.shape, np.uint16)), source) is None


def test_numbers_beyond_sixteen_bits_make_none(source):
    """No LABELMAP can hold them, and one that left nodules out would look complete."""
    late = (replace(nodules(1)[0], number=70_000),)
    assert labelmap.encode(analysis(late), sparse(dense(labels(nodules(1))) * 70_000), source) is None


def test_the_same_analysis_gives_the_same_bytes():
    """Encoding twice gives one object."""
    found = nodules(5)
    once, again = (
        labelmap.encode(analysis(found), labels(found), Source.read(ct_series())) for _ in range(2)
    )
    assert once == again
