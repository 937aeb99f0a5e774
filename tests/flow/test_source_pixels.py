"""Nodules and masks lie on their pixels and keep their names, however a series was scanned and sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pydicom
import pytest
from dense_masks import box_of, dense_of, place_of

from millet import app
from millet.codec.ct import read_header
from millet.flow.analyse import Order
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.proto.millet.v1 import picture_service_pb2 as pb
from millet.settings import Settings

POSES = [
    dicom.Pose(),
    dicom.Pose(flip_rows=True),
    *(dicom.Pose(position=position, shuffled=True) for position in dicom.POSITIONS[1:]),
]
NODULE_HU = -650.0
"""Lung is darker, and the middle of a nodule is not."""


@pytest.fixture(scope="module")
def model():
    """The bundled model."""
    return app.load_model(Settings())


@pytest.fixture(scope="module")
def small():
    """30 nodules and a mass in a small chest."""
    return presets.make("case", nodules=30, seed=7, scale=0.5)


def order(instances, **facts) -> Order:
    """An analysis of a series under its own identifiers."""
    told = read_header(instances[0])
    named = {"study_uid": told.study_uid, "series_uid": told.series_uid}
    when = datetime(2026, 1, 6, 8, 0, tzinfo=UTC)
    return Order(**({"site": "default", "generation": 1, "created_utc": when} | named | facts))


def oblique(instances, degrees):
    """The same slices, tilted about the patient's left-right axis and turned about the body's."""
    turns = []
    for axis, by in ((0, degrees), (2, 2 * degrees)):
        c, s = np.cos(np.radians(by)), np.sin(np.radians(by))
        one, other = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[[one, one, other, other], [one, other, one, other]] = c, -s, s, c
        turns.append(turn)
    turn = turns[1] @ turns[0]
    for encoded in instances:
        dataset = pydicom.dcmread(BytesIO(encoded))
        rows = np.asarray(dataset.ImageOrientationPatient, float).reshape(2, 3) @ turn.T
        place = np.asarray(dataset.ImagePositionPatient, float) @ turn.T
        dataset.ImageOrientationPatient = [f"{v:.10f}" for v in rows.ravel()]
        dataset.ImagePositionPatient = [f"{v:.8f}" for v in place]
        target = BytesIO()
        dataset.save_as(target, enforce_file_format=True)
        yield target.getvalue()


def assert_on_their_pixels(instances, analysis, slice_mm):
    """By the tags of each source alone, and by what its pixels show."""
    sources = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, map(BytesIO, instances))}
    for nodule in analysis.nodules:
        source, at = sources[nodule.source_sop_instance_uid], nodule.source_pixel
        hu = source.pixel_array * float(source.RescaleSlope) + float(source.RescaleIntercept)
        assert at.frame == 1
        assert hu[round(at.row), round(at.column)] > NODULE_HU
        directions = np.asarray(source.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, source.PixelSpacing)
        steps_mm = np.asarray([at.column * between_columns, at.row * between_rows])
        drawn = np.asarray(source.ImagePositionPatient, float) + steps_mm @ directions
        beside = np.asarray(nodule.centre_mm) - drawn
        assert np.abs(directions @ beside).max() < 1e-3
        assert np.linalg.norm(beside) <= slice_mm / 2 + 1e-3


def assert_masks_are_those_of_the_seg(instances, made):
    """Voxel for voxel on the same instances; by the tags of each instance, around the nodules' centres."""
    told = pb.StreamMasksResponse.FromString(made.objects["masks.pb"])
    mask = pydicom.dcmread(BytesIO(made.objects["seg"]))
    at = {plane.sop_instance_uid: number for number, plane in enumerate(told.grid.planes)}
    held = np.zeros((len(at), told.grid.rows, told.grid.columns), bool)
    frames = mask.pixel_array.reshape(-1, *held.shape[1:])
    for frame, shown in zip(frames, mask.PerFrameFunctionalGroupsSequence, strict=True):
        source = shown.DerivationImageSequence[0].SourceImageSequence[0]
        held[at[source.ReferencedSOPInstanceUID]] |= frame > 0
    assert held.any()
    assert np.array_equal(dense_of(told) > 0, held)
    sources = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, map(BytesIO, instances))}
    nodules = {nodule.nodule_id: nodule for nodule in made.analysis.nodules}
    for one in told.masks:
        nodule, (plane, row, column) = nodules[one.nodule_id], np.argwhere(box_of(one)).mean(axis=0)
        source = sources[told.grid.planes[one.first_plane].sop_instance_uid]
        directions = np.asarray(source.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, source.PixelSpacing)
        steps_mm = np.asarray([one.first_column * between_columns, one.first_row * between_rows])
        first_mm = np.asarray(source.ImagePositionPatient, float) + steps_mm @ directions
        assert (one.origin_mm.x, one.origin_mm.y, one.origin_mm.z) == pytest.approx(first_mm, abs=1e-4)
        middle = place_of(
            told.grid,
            one.first_plane + round(plane),
            one.first_row + round(row),
            one.first_column + round(column),
        )
        assert np.linalg.norm(np.subtract(middle, nodule.centre_mm)) < max(2.5, nodule.diameter_mm / 4)


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_a_nodule_is_drawn_on_its_pixel_in_every_position(pose, small, model):
    """Head and feet first, supine, prone, on either side, rows flipped, slices in any order."""
    instances = dicom.encoded(small, pose=pose)
    made = analyse(order(instances), instances, model, lambda *_: None)
    assert len(made.analysis.nodules) > 25
    assert_on_their_pixels(instances, made.analysis, small.scan.slice_mm)
    assert_masks_are_those_of_the_seg(instances, made)


@pytest.mark.parametrize("pose", [dicom.Pose(), dicom.Pose(position="FFP", flip_rows=True)], ids=str)
def test_a_nodule_of_a_tilted_series_is_drawn_on_its_pixel(pose, small, model):
    """Slices that lie 8 degrees from axial, their rows 16 degrees from the patient's left."""
    instances = list(oblique(dicom.encoded(small, pose=pose), 8.0))
    made = analyse(order(instances), instances, model, lambda *_: None)
    assert len(made.analysis.nodules) > 25
    assert_on_their_pixels(instances, made.analysis, small.scan.slice_mm)
    assert_masks_are_those_of_the_seg(instances, made)


def test_a_nodule_keeps_its_id_when_late_slices_come(small, model):
    """What was found in the first generation is named the same in the second; what is new is named anew."""
    upwards = sorted(dicom.encoded(small), key=lambda encoded: read_header(encoded).position_mm[2])
    early = upwards[: len(upwards) * 3 // 4]
    first = analyse(order(early), early, model, lambda *_: None).analysis
    later = order(upwards, generation=2)
    second = analyse(replace(later, before=first.nodules), upwards, model, lambda *_: None).analysis
    anew = analyse(later, upwards, model, lambda *_: None).analysis
    known = {one.nodule_id: one.centre_mm for one in first.nodules}
    kept = [one for one in second.nodules if one.nodule_id in known]
    assert len(kept) >= len(known) - 1 > 15
    assert len(second.nodules) > len(kept)
    for one in kept:
        assert np.linalg.norm(np.subtract(one.centre_mm, known[one.nodule_id])) < max(1.5, one.diameter_mm)
        assert one.tracking_uid == one.nodule_id
    assert len({one.nodule_id for one in second.nodules}) == len(second.nodules)
    assert not {one.nodule_id for one in anew.nodules} & known.keys()
