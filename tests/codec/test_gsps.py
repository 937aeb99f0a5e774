import io
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from reports import FRAME, GRID, SERIES, STUDY, analysis, ct_series, nodules, sop_uid

from millet.codec import gsps
from millet.codec.keys import Plane, key_images, presented
from millet.codec.source import Source
from millet.core.character import Axes, Character, NoduleType, Zone
from millet.core.geometry import Index, PointMm


@pytest.fixture(scope="module")
def source():
    """A series of slices, read once."""
    return Source.read(ct_series())


def _at(number, z, y, x, diameter_mm=12.0):
    """A nodule in the middle of a voxel."""
    (nodule,) = nodules(1)
    centre = GRID.to_patient(Index(z, y, x))
    return replace(nodule, number=number, centre_mm=centre, diameter_mm=diameter_mm)


def _measured(nodule, long_mm, short_mm):
    axes = Axes(long_mm=long_mm, short_mm=short_mm)
    character = Character(
        axes=axes, volume_low_mm3=1, volume_high_mm3=2, p95_hu=50, calcified_share=0, type=NoduleType.SOLID,
        core_mm=None, spiculation=0, lobe=None, zone=Zone.LOWER, zone_estimated=True, pleura_mm=None,
        fissure_mm=None, juxtapleural=False, perifissural=False, probability=None, at_resolution_limit=False,
    )  # fmt: skip
    return replace(nodule, character=character)


def _read(found, source):
    return dcmread(io.BytesIO(gsps.encode(analysis(found), source)))


def _on(ds, layer):
    return [one for one in ds.GraphicAnnotationSequence if one.GraphicLayer == layer]


def test_a_circle_lies_around_its_nodule(source):
    """On the image through it, in the coordinates of PS3.3 C.10.5.1.2: a pixel's middle is at a half."""
    ds = _read([_at(1, 7, 20, 41)], source)
    (marks,) = _on(ds, gsps.NODULES)
    assert marks.ReferencedImageSequence[0].ReferencedSOPInstanceUID == sop_uid(7)
    (circle,) = marks.GraphicObjectSequence
    column, row, edge_column, edge_row = circle.GraphicData
    assert (circle.GraphicType, column, row) == ("CIRCLE", 41.5, 20.5)
    assert (edge_row, edge_column - column) == (row, pytest.approx((6.0 + 1.5) / 5))
    assert marks.TextObjectSequence[0].UnformattedTextValue == "1: 12.0 mm"


def test_a_mass_says_so(source):
    """Its label names it."""
    ds = _read([_at(1, 7, 20, 41, diameter_mm=41.5)], source)
    texts = [text.UnformattedTextValue for text in _on(ds, gsps.NODULES)[0].TextObjectSequence]
    assert texts == ["Mass 1: 41.5 mm"]


def test_axes_are_drawn_where_they_were_measured(source):
    """End to end, in the slice that they lie in, and in no other."""
    nodule = _at(1, 7, 20, 41)
    x, y, z = nodule.centre_mm
    long_mm = (PointMm(x - 10, y, z), PointMm(x + 10, y, z))
    short_mm = (PointMm(x, y - 5, z), PointMm(x, y + 5, z))
    ds = _read([_measured(nodule, long_mm, short_mm)], source)
    (marks,) = _on(ds, gsps.AXES)
    lines = [list(line.GraphicData) for line in marks.GraphicObjectSequence]
    assert lines == [[39.5, 20.5, 43.5, 20.5], [41.5, 19.5, 41.5, 21.5]]
    oblique = (PointMm(x, y, z - 10), PointMm(x, y, z + 10))
    assert not _on(_read([_measured(nodule, oblique, oblique)], source), gsps.AXES)


def test_a_crowded_image_has_numbers_alone(source):
    """Thirty sizes would hide what they tell of."""
    crowd = [_at(n, 7, 10 + n, 10 + n) for n in range(1, 31)]
    texts = [t.UnformattedTextValue for t in _on(_read(crowd, source), gsps.NODULES)[0].TextObjectSequence]
    assert texts == [str(n) for n in range(1, 31)]


def test_it_shows_lung_and_says_what_it_is(source):
    """Window, rescale of the images, and the statement on every image, in the source's study."""
    ds = _read([_at(1, 7, 20, 41)], source)
    window = ds.SoftcopyVOILUTSequence[0]
    assert (window.WindowCenter, window.WindowWidth) == (-600, 1500)
    assert (ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType) == (1, 0, "HU")
    (said,) = _on(ds, gsps.SAID)
    assert "ReferencedImageSequence" not in said
    words = " ".join(text.UnformattedTextValue for text in said.TextObjectSequence)
    for needed in ("not reviewed", "Unverified", "Research use", "model log 1", "4.75 l", "lymph nodes"):
        assert needed in words
    assert ds.StudyInstanceUID == STUDY
    assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == SERIES


@pytest.mark.parametrize("count", [1, 18, 220, 2000])
def test_it_marks_every_nodule_of_at_most_five_images(count, source):
    """As many circles as the key images cut nodules; each image that is marked is referred to."""
    found = nodules(count)
    ds = _read(found, source)
    chosen = key_images(analysis(found), source)
    circles = sum(len(marks.GraphicObjectSequence) for marks in _on(ds, gsps.NODULES))
    assert circles == sum(len(one.nodules) for one in chosen)
    referred = [
        one.ReferencedSOPInstanceUID for one in ds.ReferencedSeriesSequence[0].ReferencedImageSequence
    ]
    assert referred == [one.image.sop_instance_uid for one in chosen]
    assert 1 <= len(referred) <= 5


def test_an_oblique_image_has_its_marks_in_its_own_plane():
    """Rows and columns along tilted axes, pixels of other proportions: a pixel's middle is found again."""
    turn = np.deg2rad(12)
    rows = ["1", "0", "0", "0", f"{np.cos(turn):.12f}", f"{np.sin(turn):.12f}"]
    source = Source.read(ct_series(1, ImageOrientationPatient=rows, PixelSpacing=["2.0", "0.5"]))
    plane = Plane.of(source.images[0])
    point = plane.origin_mm + plane.along.T @ np.asarray([11 * 0.5, 30 * 2.0])
    assert plane.pixels(point[None])[0] == pytest.approx((11.5, 30.5))
    assert plane.distance_mm((point + 3 * plane.normal)[None]) == pytest.approx([3.0])


def test_images_of_another_rescale_are_left_to_the_selection():
    """One presentation state has one rescale; what it cannot show it does not refer to."""
    files = [*ct_series(10), *ct_series(30, RescaleIntercept="-1024")[10:]]
    source = Source.read(files)
    found = analysis([_at(1, 3, 20, 20, 14.0), _at(2, 20, 20, 40)])
    chosen = key_images(found, source)
    assert [one.image.sop_instance_uid for one in chosen] == [sop_uid(3), sop_uid(20)]
    assert [one.image.sop_instance_uid for one in presented(chosen)] == [sop_uid(3)]


def test_without_a_nodule_there_is_none(source):
    """There is nothing that it could refer to."""
    assert gsps.encode(analysis(), source) is None


def test_the_same_analysis_gives_the_same_bytes():
    """Encoding twice gives one object; the frame of reference is no part of it."""
    once, again = (gsps.encode(analysis(nodules(9)), Source.read(ct_series())) for _ in range(2))
    assert once == again
    assert FRAME.encode() not in once
