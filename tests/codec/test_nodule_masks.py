"""Masks for viewers, held against the SEG and the LABELMAP of the same nodules, as others read them."""

from __future__ import annotations

import io
from dataclasses import replace

import highdicom
import numpy as np
import pytest
from dense_masks import dense_of, place_of
from reports import COLUMNS, GRID, ROWS, analysis, ct_series, dense, labels, nodules, sop_uid, sparse

from millet.codec import nodule_masks, seg
from millet.codec.source import Source
from millet.core.geometry import Index
from millet.proto.millet.v1 import picture_service_pb2 as pb


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def told(found, labelled, source) -> pb.StreamMasksResponse:
    """All of it in one message."""
    return pb.StreamMasksResponse.FromString(nodule_masks.encode(analysis(found), labelled, source))


def test_the_masks_are_those_of_the_seg(source):
    """Voxel for voxel, on the instances that the grid names, as highdicom reads them."""
    found = nodules(12, mass=True)
    whole = told(found, labels(found), source)
    uids = [plane.sop_instance_uid for plane in whole.grid.planes]
    read = highdicom.seg.segread(io.BytesIO(seg.encode(analysis(found), labels(found), source)))
    pixels = read.get_pixels_by_source_instance(uids, combine_segments=False)
    assert np.array_equal(dense_of(whole) > 0, pixels.any(axis=-1))
    assert np.array_equal(dense_of(whole), dense(labels(found)))


def test_places_are_told_in_the_patient(source):
    """By the grid's rule and by the origin of each box, both by the tags of the plane itself."""
    found = nodules(12, mass=True)
    whole = told(found, labels(found), source)
    assert uids_of(whole) == [sop_uid(number) for number in range(GRID.shape[0])]
    assert (whole.grid.columns, whole.grid.rows) == (COLUMNS, ROWS)
    for mask in whole.masks:
        at = mask.first_plane, mask.first_row, mask.first_column
        assert place_of(whole.grid, *at) == pytest.approx(GRID.to_patient(Index(*at)))
        assert (mask.origin_mm.x, mask.origin_mm.y, mask.origin_mm.z) == pytest.approx(
            place_of(whole.grid, *at)
        )


def uids_of(whole) -> list[str]:
    """The instances, plane by plane."""
    return [plane.sop_instance_uid for plane in whole.grid.planes]


def test_any_voxels_come_back(source):
    """Whatever their shape: in pieces, at the edges, wrapped around the end of a row, whole boxes."""
    rng = np.random.default_rng(3)
    volume = rng.integers(0, 6, GRID.shape) * (rng.random(GRID.shape) < 0.4)
    volume[4:6, 10:20, 10:20] = 6
    found = nodules(6)
    whole = told(found, sparse(volume), source)
    assert np.array_equal(dense_of(whole), volume)
    assert [mask.number for mask in whole.masks] == [1, 2, 3, 4, 5, 6]
    assert list(whole.masks[5].runs) == [0, 200]


def test_without_a_nodule_there_is_a_grid(source):
    """Nothing found is an answer."""
    whole = told((), sparse(np.zeros(GRID.shape)), source)
    assert (len(whole.masks), whole.total_masks, len(whole.grid.planes)) == (0, 0, GRID.shape[0])


def test_numbers_have_no_limit(source):
    """A LABELMAP ends at 65,535; these do not."""
    volume = np.zeros(GRID.shape, np.int64)
    volume[3, 4, 5] = 70_000
    found = [replace(nodules(1)[0], number=70_000)]
    whole = told(found, sparse(volume), source)
    assert whole.masks[0].number == 70_000


def test_parts_are_bounded_and_chosen(source):
    """The grid comes first and alone; all masks follow once, or those that are asked for."""
    found = nodules(12, mass=True)
    whole = told(found, labels(found), source)
    wide = pb.StreamMasksResponse()
    wide.CopyFrom(whole)
    for mask in wide.masks:
        mask.runs.extend([1] * 400_000)
    first, *rest = nodule_masks.parts(wide, ())
    assert (first.total_masks, len(first.masks), first.grid) == (len(whole.masks), 0, whole.grid)
    assert [mask.number for part in rest for mask in part.masks] == [mask.number for mask in whole.masks]
    assert all(part.ByteSize() < nodule_masks.MOST_BYTES + 500_000 for part in rest)
    assert len(rest) > 3
    name = whole.masks[7].nodule_id
    first, only = nodule_masks.parts(whole, {name})
    assert (first.total_masks, [mask.nodule_id for mask in only.masks]) == (1, [name])


def test_what_does_not_fit_is_refused(source):
    """Another grid, or a number that no nodule has."""
    with pytest.raises(ValueError, match="do not fit"):
        told(nodules(1), sparse(np.ones((1, 2, 3), np.int64)), source)
    with pytest.raises(ValueError, match="no nodule's number"):
        told((), labels(nodules(1)), source)
