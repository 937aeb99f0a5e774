"""What a report has of nodules that are known."""

import pytest

from millet.core.canary import Planted, compare
from millet.core.geometry import PointMm

KNOWN = [
    Planted(centre_mm=PointMm(0, 0, 0), diameter_mm=4.0),
    Planted(centre_mm=PointMm(40, 0, 0), diameter_mm=10.0),
]


@pytest.mark.parametrize(
    ("marks", "sensitivity", "others"),
    [
        ([], 0.0, 0),
        ([PointMm(0, 0, 2.9)], 0.5, 0),
        ([PointMm(0, 0, 3.1)], 0.0, 1),
        ([PointMm(0, 0, 0), PointMm(40, 4.9, 0)], 1.0, 0),
        ([PointMm(0, 0, 0), PointMm(0, 1, 0), PointMm(40, 0, 0), PointMm(20, 0, 0)], 1.0, 1),
    ],
)
def test_a_mark_counts_for_the_nodule_that_it_lies_in(marks, sensitivity, others):
    """Within its radius, or 3 mm for a small one; two marks of one nodule are one."""
    seen = compare(KNOWN, marks)
    assert (seen.sensitivity, seen.others) == (sensitivity, others)


@pytest.mark.parametrize(("found", "success"), [(10, True), (8, True), (7, False), (0, False)])
def test_four_of_five_is_a_success(found, success):
    """A blind model is none, one that misses the hardest nodule is."""
    known = [Planted(centre_mm=PointMm(20.0 * n, 0, 0), diameter_mm=5.0) for n in range(10)]
    assert compare(known, [one.centre_mm for one in known[:found]]).is_success is success
