from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from characters import characterised
from reports import as_file, ct_series, ct_slice, nodules, sop_uid

from millet.codec.outline import CORNERS, Plane, Planes, outline, planes
from millet.codec.source import Source, read_image
from millet.core.geometry import PointMm


def _plane(**changes):
    return Plane.of(read_image(as_file(ct_slice(15, **changes))))


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_the_corner():
    """PS3.3 C.18.6.1.2: (0.5, 0.5); columns before rows, each by its own spacing."""
    plane = _plane(PixelSpacing=["2.0", "5.0"])
    drawn = plane.project([PointMm(-160, -160, 0), PointMm(-150, -150, 0)])
    assert drawn == pytest.approx(np.array([[0.5, 0.5], [2.5, 5.5]]))


def test_an_oblique_plane_is_followed():
    """Points come back to where rows and columns of a tilted image point."""
    tilt = 0.3
    along = [1, 0, 0, 0, np.cos(tilt), np.sin(tilt)]
    plane = _plane(ImageOrientationPatient=[f"{v:.9f}" for v in along])
    point = plane.origin_mm + 10 * plane.axes[0] + 20 * plane.axes[1] + 3 * plane.axes[2]
    assert plane.project([PointMm(*point)])[0] == pytest.approx([2.5, 4.5])
    assert np.asarray(plane.lift((2.5, 4.5))) + 3 * plane.axes[2] == pytest.approx(point)


@pytest.mark.parametrize(
    "changes",
    [
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]},
        {"PixelSpacing": ["0", "5"]},
        {"ImagePositionPatient": ["1e400", "0", "0"]},
    ],
    ids=str,
)
def test_a_header_that_does_not_say_where_it_lies_gives_no_plane(changes):
    """Missing, not orthogonal, no size, not finite."""
    assert _plane(**changes) is None


def test_an_outline_goes_through_the_ends_of_both_axes():
    """In the slice in which they were measured, though the centre may be nearer to another."""
    (nodule,) = characterised(1, mass=True)
    lifted = nodule.character.axes
    moved = replace(
        lifted,
        long_mm=tuple(PointMm(x, y, 20.0) for x, y, _ in lifted.long_mm),
        short_mm=tuple(PointMm(x, y, 20.0) for x, y, _ in lifted.short_mm),
    )
    shown = outline(replace(nodule, character=replace(nodule.character, axes=moved)), Planes(planes(_SOURCE)))
    assert shown.image.sop_instance_uid == sop_uid(19)
    points = np.asarray(shown.points)
    assert len(points) == CORNERS + 1
    across = np.linalg.norm(points[: CORNERS // 2] - points[CORNERS // 2 : CORNERS], axis=1) * 5
    assert across.max() == pytest.approx(lifted.long_axis_mm, abs=1e-3)
    assert across.min() == pytest.approx(lifted.short_axis_mm, abs=1e-3)


def test_without_axes_it_is_a_circle():
    """Of the nodule's diameter, around its centre."""
    (nodule,) = nodules(1, mass=True)
    points = np.asarray(outline(nodule, Planes(planes(_SOURCE))).points[:-1])
    radii = np.linalg.norm(points - points.mean(axis=0), axis=1) * 5
    assert radii == pytest.approx(nodule.diameter_mm / 2)


def test_a_tiny_nodule_can_be_seen():
    """Half an axis is never under one pixel."""
    (nodule,) = nodules(1)
    points = np.asarray(outline(nodule, Planes(planes(_SOURCE))).points[:-1])
    assert np.linalg.norm(points - points.mean(axis=0), axis=1) == pytest.approx(1.0)


def test_the_nearest_slice_is_that_of_a_search_through_all_of_them():
    """Of slices as near as each other it is the first, as where a slice was sent twice."""
    known = [*planes(_SOURCE), *planes(_SOURCE)]
    points = np.random.default_rng(3).uniform((-150, -150, -20), (150, 150, 170), (200, 3))
    points = np.concatenate([points, [(0.0, 0.0, (a.level_mm + b.level_mm) / 2) for a, b in pairwise(known)]])
    for point in points:
        away_mm = [abs(float(plane.axes[2] @ (point - plane.origin_mm))) for plane in known]
        nearest = known[int(np.argmin(np.round(away_mm, 9)))]
        assert Planes(known).nearest(PointMm(*point)) is nearest


def test_without_slices_there_is_none():
    """Nothing is drawn beside the images."""
    assert outline(nodules(1)[0], Planes([])) is None


_SOURCE = Source.read(ct_series())
