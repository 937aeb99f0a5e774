from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.core.criteria_measures import MEASURES, Asked, Missing, Taken
from millet.core.geometry import PointMm
from millet.core.lesion import Exam, Images, Lesion
from millet.core.nodule import Side
from millet.core.spread import Randomness

IMAGES = Images(thickness_mm=2.5, step_mm=2.0, first_mm=-60.0, count=60)
lesions = st.builds(
    Lesion,
    centre_mm=st.builds(PointMm, st.just(0.0), st.just(0.0), st.floats(-60, 60)),
    diameter_mm=st.floats(0.5, 9),
    side=st.sampled_from([Side.LEFT, Side.RIGHT]),
    regions=st.sampled_from([("upper",), ("lower",)]),
)
crowds = st.lists(lesions, max_size=60).map(tuple)


def lesion(z_mm=0.0, diameter_mm=3.0, side=Side.LEFT, *regions):
    """One lesion on the axis."""
    return Lesion(centre_mm=PointMm(0.0, 0.0, z_mm), diameter_mm=diameter_mm, side=side, regions=regions)


def measured(name, crowd, exam=None, **asked):
    """What a measure says of some lesions."""
    exam = exam or Exam(organ="lung", lesions=crowd, images=IMAGES)
    return MEASURES[name].of(Taken(exam=exam, lesions=crowd, asked=Asked(**asked)))


def inside(crowd, low, high, side=None):
    """How many lesions reach between two heights."""
    return sum(
        one.centre_mm.z - one.diameter_mm / 2 < high
        and one.centre_mm.z + one.diameter_mm / 2 > low
        and side in {None, one.side}
        for one in crowd
    )


def full(crowd, layers, asked, each_side):
    """Which layers hold enough, by a loop."""
    return [
        at
        for at, (low, high) in enumerate(layers)
        if inside(crowd, low, high) >= asked
        and min(inside(crowd, low, high, side) for side in Side) >= each_side
    ]


def most_apart(numbers):
    """The most numbers no two of which are neighbours, by trying all choices."""
    for count in range(len(numbers), 0, -1):
        for chosen in combinations(numbers, count):
            if all(b - a >= 2 for a, b in pairwise(chosen)):
                return count
    return 0


@settings(deadline=None)
@given(crowds, st.integers(1, 8), st.integers(0, 3))
def test_full_slabs_equal_a_recount(crowd, asked, each_side):
    """Full slabs, those apart from each other, and their distance are what loops over all slabs find."""
    slabs = [(10.0 * k, 10.0 * (k + 1)) for k in range(-8, 8)]
    found = full(crowd, slabs, asked, each_side)
    how = {"lesions": asked, "each_side": each_side}
    assert measured("slabs-with", crowd, **how) == len(found)
    assert measured("separate-slabs-with", crowd, **how) == most_apart(found)
    assert measured("slab-distance-mm", crowd, **how) == (10.0 * (found[-1] - found[0]) if found else 0.0)
    assert measured("most-in-slab", crowd) == max(inside(crowd, *slab) for slab in slabs)


@settings(deadline=None)
@given(crowds, st.integers(1, 6))
def test_each_side_by_itself_is_the_lower_of_two_counts(crowd, asked):
    """What is asked of each side is as much as the poorer side has."""
    sides = [tuple(one for one in crowd if one.side is side) for side in Side]
    for name in ("slabs-with", "separate-slabs-with", "images-with", "separate-images-with"):
        alone = [measured(name, some, lesions=asked) for some in sides]
        assert measured(name, crowd, lesions=asked, per_side=True) == min(alone)


@settings(deadline=None)
@given(crowds, st.integers(1, 6), st.integers(0, 2))
def test_full_images_equal_a_recount(crowd, asked, each_side):
    """The same over images that overlap."""
    images = [(-60.0 + 2.0 * k - 1.25, -60.0 + 2.0 * k + 1.25) for k in range(60)]
    found = full(crowd, images, asked, each_side)
    how = {"lesions": asked, "each_side": each_side}
    assert measured("images-with", crowd, **how) == len(found)
    apart, last = 0, -2
    for at in found:
        apart, last = (apart + 1, at) if at - last >= 2 else (apart, last)
    assert measured("separate-images-with", crowd, **how) == apart
    assert measured("most-on-image", crowd) == max(inside(crowd, *image) for image in images)


@settings(deadline=None)
@given(crowds)
def test_a_slab_lies_in_the_region_of_half_its_lesions(crowd):
    """Regions with a full slab are those that a loop finds."""
    regions = ("upper", "lower")
    slabs = [(10.0 * k, 10.0 * (k + 1)) for k in range(-8, 8)]
    held = set()
    for low, high in slabs:
        count = inside(crowd, low, high)
        for region in regions:
            own = inside([one for one in crowd if region in one.regions], low, high)
            held |= {region} if count >= 3 and own >= count / 2 else set()
    assert measured("regions-with-slab", crowd, lesions=3, regions=regions) == len(held)


def test_sizes_and_sides():
    """The simple figures of four lesions, worked out by hand."""
    crowd = tuple(
        lesion(0.0, size, side)
        for size, side in zip((2.0, 3.0, 4.0, 7.0), (Side.LEFT, Side.LEFT, Side.RIGHT, None), strict=True)
    )
    assert measured("count", crowd) == 4
    assert measured("sides-with-lesions", crowd) == 2
    assert measured("bilateral-share", crowd) == 0.25
    assert measured("share-at-most-mm", crowd, limit_mm=3.0) == 0.5
    assert measured("median-mm", crowd) == 3.5
    assert measured("cv", crowd) == pytest.approx(1.870829 / 4, abs=1e-6)
    noisy = Exam(organ="lung", lesions=crowd, measuring_sd_mm=1.5)
    assert measured("cv", crowd, noisy) == pytest.approx((3.5 - 2.25) ** 0.5 / 4)
    assert measured("cv", crowd, Exam(organ="lung", lesions=crowd, measuring_sd_mm=9.0)) == 0.0


def test_densities_need_volumes_and_lesions_everywhere():
    """Ten to the litre against two and a half; without a volume it is missing, with an empty region none."""
    crowd = (*[lesion(0.0, 3.0, Side.LEFT, "a")] * 10, *[lesion(0.0, 3.0, Side.LEFT, "b")] * 5)
    exam = Exam(organ="lung", lesions=crowd, litres={"a": 1.0, "b": 2.0, "c": 1.0})
    assert measured("density-ratio", crowd, exam, regions=("a", "b")) == 4.0
    assert measured("density-ratio", crowd, exam, regions=("a", "b", "c")) is None
    with pytest.raises(Missing, match="volumes"):
        measured("density-ratio", crowd, exam, regions=("a", "d"))
    assert measured("regions-with-lesions", crowd, exam, regions=("a", "b", "c")) == 2


def test_regions_that_too_few_lesions_have_are_missing():
    """Nine in ten must be known where that is asked; one of ten will do where nothing is."""
    crowd = (*[lesion()] * 2, *[lesion(0.0, 3.0, Side.LEFT, "a")] * 8)
    asked = {"regions": ("a", "b")}
    assert measured("regions-with-lesions", crowd, **asked, known_share=0.8) == 1
    with pytest.raises(Missing, match="regions"):
        measured("regions-with-lesions", crowd, **asked, known_share=0.9)
    with pytest.raises(Missing, match="regions"):
        measured("regions-with-lesions", crowd[:2], **asked)
    assert measured("regions-with-lesions", (), **asked, known_share=0.9) == 0


@pytest.mark.parametrize("name", ["images-with", "separate-images-with", "most-on-image"])
def test_images_that_are_not_known_are_missing(name):
    """A count per image is never taken of images that nobody told of."""
    with pytest.raises(Missing, match="images"):
        measured(name, (lesion(),), Exam(organ="brain", lesions=(lesion(),)), lesions=1)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("sides-with-lesions", {}),
        ("bilateral-share", {}),
        ("slabs-with", {"lesions": 1, "each_side": 1}),
        ("slabs-with", {"lesions": 1, "per_side": True}),
    ],
)
def test_sides_that_are_not_known_are_missing(name, asked):
    """Lesions of unknown side are not lesions of one side."""
    with pytest.raises(Missing, match="sides"):
        measured(name, (lesion(0.0, 3.0, None),) * 20, **asked)


def test_randomness_is_taken_from_who_tested_it():
    """R and both p come from the test inside this exam's lungs, and are missing without it."""
    tested = Randomness(simulations=199, clark_evans=0.97, clark_evans_p=0.4, ripley=(), ripley_p=0.2)
    exam = Exam(organ="lung", lesions=(), randomness=tested)
    names = ("clark-evans", "clark-evans-p", "ripley-p")
    assert [measured(name, (), exam) for name in names] == [0.97, 0.4, 0.2]
    for name in names:
        with pytest.raises(Missing, match="randomness"):
            measured(name, ())


def test_of_nothing_there_is_no_figure():
    """Sizes of no lesions are none, counts are nought."""
    assert [measured(name, ()) for name in ("median-mm", "cv", "bilateral-share")] == [None] * 3
    assert measured("share-at-most-mm", (), limit_mm=3.0) is None
    assert [measured(name, (), lesions=1) for name in ("count", "slabs-with", "slab-distance-mm")] == [
        0,
        0,
        0,
    ]
