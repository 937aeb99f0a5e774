from itertools import combinations

import numpy as np
import pytest

from millet.core.key_slices import MOST, key_slices


def _chest(count, seed, step_mm=1.25):
    rng = np.random.default_rng(seed)
    planes = np.arange(0, 300, step_mm)
    return planes, rng.uniform(10, 290, count), rng.uniform(2, 9, count)


def _cut(planes, centres, diameters):
    """By hand: which nodules each slice reaches, or is the nearest to."""
    return [
        {
            n
            for n, (centre, diameter) in enumerate(zip(centres, diameters, strict=True))
            if abs(plane - centre) <= diameter / 2 or p == int(np.abs(planes - centre).argmin())
        }
        for p, plane in enumerate(planes)
    ]


def test_without_a_nodule_there_is_no_slice():
    """Nothing to show is nothing chosen."""
    assert key_slices(np.arange(5.0), np.zeros(0), np.zeros(0)) == ()


def test_one_nodule_has_the_slice_through_its_middle():
    """Not one at its edge."""
    (only,) = key_slices(np.arange(0, 100, 2.5), np.asarray([33.0]), np.asarray([20.0]))
    assert (only.plane, only.cuts) == (13, (0,))


def test_the_largest_comes_first():
    """Whatever else is cut by more slices."""
    planes, centres, diameters = _chest(200, 1)
    diameters[77] = 41.5
    first = key_slices(planes, centres, diameters)[0]
    assert abs(planes[first.plane] - centres[77]) <= 1.25 / 2
    assert 77 in first.cuts


@pytest.mark.parametrize("count", [2, 18, 220, 2000])
def test_each_slice_shows_most_of_what_is_left(count):
    """Against a recount slice by slice; what is said to be cut is."""
    planes, centres, diameters = _chest(count, count)
    cut = _cut(planes, centres, diameters)
    found = key_slices(planes, centres, diameters)
    left = set(range(count)) - cut[found[0].plane]
    for one in found[1:]:
        assert len(cut[one.plane] & left) == max(len(some & left) for some in cut)
        left -= cut[one.plane]
    assert all(set(one.cuts) == cut[one.plane] for one in found)
    assert len(found) == MOST or not left


def test_a_few_slices_show_nearly_as_much_as_any():
    """Greedy covering is within 1 - 1/e of the best; by trying every pair beside the first."""
    planes, centres, diameters = _chest(30, 5, step_mm=10.0)
    cut = _cut(planes, centres, diameters)
    found = key_slices(planes, centres, diameters, most=3)
    first = cut[found[0].plane]
    best = max(len((a | b) - first) for a, b in combinations(cut, 2))
    got = len(set().union(*(one.cuts for one in found)) - first)
    assert got >= best * (1 - 1 / np.e)


def test_of_equals_the_slice_nearer_to_the_middle_is_taken():
    """A nodule alone is shown where it is widest, also as the second one."""
    planes = np.arange(0, 200, 1.0)
    _, second = key_slices(planes, np.asarray([50.0, 150.0]), np.asarray([30.0, 20.0]))
    assert planes[second.plane] == 150.0
