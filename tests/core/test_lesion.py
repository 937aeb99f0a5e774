from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.core.geometry import Grid, Index, PointMm, Vector
from millet.core.lesion import UPWARDS, Images, Lesion, on_each, slabs_mm, spans_mm

lesions = st.builds(
    Lesion,
    centre_mm=st.builds(PointMm, st.floats(-90, 90), st.floats(-90, 90), st.floats(-140, 140)),
    diameter_mm=st.floats(0.5, 45),
)
crowds = st.lists(lesions, max_size=40).map(tuple)


def reach_into(crowd, low, high):
    """Which lesions have something strictly between two heights, one by one."""
    return [
        one
        for one in crowd
        if one.centre_mm.z - one.diameter_mm / 2 < high and one.centre_mm.z + one.diameter_mm / 2 > low
    ]


@settings(deadline=None)
@given(crowds, st.sampled_from([0.7, 3.0, 10.0]))
def test_slab_counts_equal_a_recount(crowd, slab_mm):
    """Every slab holds the lesions that a plain loop finds in it, and no lesion lies outside all slabs."""
    spans = spans_mm(crowd, UPWARDS)
    edges = slabs_mm(spans, slab_mm)
    counts = on_each(spans, edges)
    assert counts.tolist() == [len(reach_into(crowd, low, high)) for low, high in zip(*edges, strict=True)]
    if crowd:
        assert edges[0][0] < spans[0].min()
        assert edges[1][-1] > spans[1].max()


@settings(deadline=None)
@given(crowds, st.floats(0.4, 8), st.floats(0.4, 8), st.integers(1, 300))
def test_image_counts_equal_a_recount(crowd, thickness_mm, step_mm, count):
    """So does every image, thick ones that overlap and thin ones with gaps alike."""
    images = Images(thickness_mm=thickness_mm, step_mm=step_mm, first_mm=-141.3, count=count)
    edges = images.edges_mm
    counts = on_each(spans_mm(crowd, images.normal), edges)
    assert counts.tolist() == [len(reach_into(crowd, low, high)) for low, high in zip(*edges, strict=True)]


def test_images_may_follow_each_other_in_any_direction():
    """Sagittal images are counted along x."""
    crowd = (Lesion(centre_mm=PointMm(12.0, 0.0, 77.0), diameter_mm=3.0),)
    images = Images(thickness_mm=5.0, step_mm=5.0, first_mm=0.0, count=4, normal=Vector(1.0, 0.0, 0.0))
    assert on_each(spans_mm(crowd, images.normal), images.edges_mm).tolist() == [0, 0, 1, 1]


def test_the_images_of_a_volume_are_its_slices():
    """A lesion in the third slice of a tilted volume is on that one, and by its size on the neighbours."""
    grid = Grid(
        shape=(6, 4, 4),
        spacing_mm=(2.0, 1.0, 1.0),
        origin_mm=PointMm(10.0, -20.0, -300.0),
        axes=(Vector(0.0, 0.6, 0.8), Vector(0.0, 0.8, -0.6), Vector(1.0, 0.0, 0.0)),
    )
    images = Images.of(grid, thickness_mm=2.0)
    for diameter_mm, counts in ((1.0, [0, 0, 1, 0, 0, 0]), (3.0, [0, 1, 1, 1, 0, 0])):
        crowd = (Lesion(centre_mm=grid.to_patient(Index(2.0, 1.0, 3.0)), diameter_mm=diameter_mm),)
        assert on_each(spans_mm(crowd, images.normal), images.edges_mm).tolist() == counts


@pytest.mark.parametrize(
    ("place", "diameter_mm"),
    [((0, 0, float("nan")), 3.0), ((2e4, 0, 0), 3.0), ((0, 0, 0), 0.0), ((0, 0, 0), float("nan"))],
)
def test_no_lesion_is_made_of_damaged_numbers(place, diameter_mm):
    """A place or a size that no patient has is refused, by the name of the field."""
    with pytest.raises(ValueError, match=r"^(centre|diameter)_mm: "):
        Lesion(centre_mm=PointMm(*place), diameter_mm=diameter_mm)


@pytest.mark.parametrize(
    "wrong", [{"step_mm": 0.0}, {"count": 0}, {"count": 10**9}, {"first_mm": float("inf")}]
)
def test_no_stack_is_made_of_damaged_numbers(wrong):
    """Neither is a stack without a step, or of more images than there are."""
    with pytest.raises(ValueError, match="no stack of images"):
        Images(**{"thickness_mm": 1.0, "step_mm": 1.0, "first_mm": 0.0, "count": 10} | wrong)


def test_images_are_made_of_their_places():
    """In any order, each place once, as thick as they are far apart where nobody says."""
    made = Images.at([7.5, 2.5, 12.5, 7.5], normal=Vector(0.0, 0.0, 2.0))
    assert made == Images(thickness_mm=5.0, step_mm=5.0, first_mm=2.5, count=3)
    assert Images.at([0.0, 3.0], 5.0).thickness_mm == 5.0
    assert Images.at([0.0, 3.001, 6.0]).step_mm == pytest.approx(3.0, abs=2e-3)


@pytest.mark.parametrize(
    ("places", "normal"),
    [
        ([], Vector(0, 0, 1)),
        ([1.0], Vector(0, 0, 1)),
        ([0.0, 5.0, 15.0], Vector(0, 0, 1)),
        ([0.0, float("nan")], Vector(0, 0, 1)),
        ([0.0, 5.0], Vector(0, 0, 0)),
        ([0.0, 5e9], Vector(0, 0, 1)),
    ],
)
def test_places_that_are_no_stack_are_refused(places, normal):
    """None or one, a hole, no number, no direction, too far apart."""
    with pytest.raises(ValueError, match=r"images|places"):
        Images.at(places, normal=normal)
