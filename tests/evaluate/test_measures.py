import math

import pytest
from findings import candidate, case, mark

from millet.evaluate import bins, measures
from millet.evaluate.case import at_least, judge


def judged(*cases, threshold=0.5):
    """Cases at one threshold."""
    return [judge(one, at_least(threshold)) for one in cases]


ONE = case(
    true=(mark(0, 1.8), mark(10, 2.0), mark(20, 4.0, "ground_glass"), mark(40, 12.0)),
    found=(
        candidate(0.3, 0.9, 2.1),
        candidate(21.0, 0.8, 3.6),
        candidate(60, 0.7, 3.0),
        candidate(10, 0.4, 2.0),
    ),
    ignored=(mark(70), mark(60.5, 2.0)),
    name="one",
)
"""Two of four found (at .5), the 2 mm and the 12 mm missed, one finding in an ignored region."""


def test_the_bins_by_hand():
    """A nodule of 2.0 mm belongs to the bin that begins there; empty bins are shown with n = 0."""
    found = bins.by_size(judged(ONE))
    assert [(b.name, b.hits, b.sensitivity.n) for b in found] == [
        ("1.5-2 mm", 1, 1),
        ("2-3 mm", 0, 1),
        ("3-5 mm", 1, 1),
        ("5-8 mm", 0, 0),
        (">= 8 mm", 0, 1),
    ]
    assert [b.sensitivity.value for b in found] == [1.0, 0.0, 1.0, None, 0.0]


def test_bins_leave_nothing_out():
    """What is below the first edge has its own bin, and all bins together hold every nodule."""
    found = bins.by_size(judged(ONE, case(true=(mark(0, 0.8),))), edges_mm=(2.0, 10.0))
    assert [(b.name, b.sensitivity.n) for b in found] == [("< 2 mm", 2), ("2-10 mm", 2), (">= 10 mm", 1)]


@pytest.mark.parametrize("edges", [(), (3.0, 2.0), (2.0, 2.0), (-1.0, 2.0)])
def test_edges_that_do_not_grow_are_refused(edges):
    """They would count a nodule twice or not at all."""
    with pytest.raises(ValueError, match="edges"):
        bins.by_size([], edges)


def test_kinds_by_hand():
    """One bin a kind, by name."""
    found = bins.by_kind(judged(ONE))
    assert [(b.name, b.hits, b.sensitivity.n) for b in found] == [("ground_glass", 1, 1), ("solid", 1, 3)]


def test_what_is_ignored_is_in_no_figure():
    """It is no false finding and is not counted as found."""
    (one,) = judged(ONE)
    assert (one.matching.false, one.matching.spared, one.counted) == ((), (2,), 2)
    assert measures.sensitivity([one]).value == 0.5
    assert measures.false_discovery_rate([one]).value == 0.0
    assert [m.diameter_mm for m in one.missed] == [2.0, 12.0]


def test_false_findings_by_hand():
    """Three in three scans; two in the two scans that hold nothing."""
    cases = judged(
        case(true=(0,), found=((0, 0.9), (9, 0.9))), case(found=((0, 0.9), (9, 0.6))), case(found=((0, 0.1),))
    )
    assert measures.false_per_scan(cases).value == 1.0
    empty = measures.false_per_scan(cases, empty_only=True)
    assert (empty.value, empty.n) == (1.0, 2)
    rate = measures.false_discovery_rate(cases)
    assert (rate.value, rate.n) == (0.75, 4)


def test_size_and_place_by_hand():
    """Errors of +.3 and -.4 mm in diameter, of .3 and 1 mm in place; a range takes those within it."""
    cases = judged(ONE)
    assert measures.diameter_bias_mm(cases).value == pytest.approx(-0.05)
    assert measures.diameter_rmse_mm(cases).value == pytest.approx(math.sqrt((0.09 + 0.16) / 2))
    assert measures.centre_error_mm(cases).value == pytest.approx(0.65)
    bias = measures.diameter_bias_mm(cases, (2.0, 5.0))
    assert (bias.value, bias.n) == (pytest.approx(-0.4), 1)
    assert measures.centre_error_mm(cases, (5.0, 8.0)).value is None


def crowd(true, found):
    """A case with so many nodules and so many findings."""
    return case(true=range(0, 10 * true, 10), found=[(10 * n, 0.9) for n in range(found)])


def test_the_count_by_hand():
    """Errors of 10, 0 and 50 per cent, and a scan without nodules that has none."""
    cases = judged(crowd(10, 9), crowd(20, 20), crowd(4, 6), crowd(0, 3))
    error = measures.count_error(cases)
    assert (error.value, error.n) == (pytest.approx(0.1), 3)


def test_a_line_that_is_known():
    """Found is 2 more than nine tenths of what is true, in each case."""
    line = measures.found_against_true(judged(crowd(0, 2), crowd(10, 11), crowd(20, 20), crowd(100, 92)))
    assert line.slope.value == pytest.approx(0.9)
    assert (line.slope.low, line.slope.high) == pytest.approx((0.9, 0.9))
    assert (line.intercept, line.r_squared) == pytest.approx((2.0, 1.0))


def test_least_squares_by_hand():
    """(0, 0), (1, 2), (2, 1): slope one half, intercept one half, a quarter of the spread explained."""
    line = measures.found_against_true(judged(crowd(0, 0), crowd(1, 2), crowd(2, 1)))
    assert (line.slope.value, line.intercept, line.r_squared) == pytest.approx((0.5, 0.5, 0.25))
    assert line.slope.n == 3


@pytest.mark.parametrize(
    "cases", [[], [crowd(3, 3)], [crowd(3, 3), crowd(3, 2), crowd(3, 4)]], ids=["none", "one", "all alike"]
)
def test_no_line_through_one_point(cases):
    """None, with the number of cases beside it."""
    line = measures.found_against_true(judged(*cases))
    assert (line.slope.value, line.slope.low, line.slope.n) == (None, None, len(cases))
    assert (line.intercept, line.r_squared) == (None, None)


def test_nothing_judged_is_no_error():
    """Every figure of nothing is None with n = 0."""
    for figure in (measures.sensitivity, measures.false_per_scan, measures.false_discovery_rate,
                   measures.count_error, measures.diameter_bias_mm, measures.diameter_rmse_mm,
                   measures.centre_error_mm):  # fmt: skip
        assert (figure([]).value, figure([]).n) == (None, 0)
