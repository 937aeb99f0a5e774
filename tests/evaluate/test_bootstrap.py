import numpy as np
import pytest

from millet.evaluate.bootstrap import draws, interval, mean, median, median_of, proportion, rate, ratio
from millet.evaluate.estimate import poisson, wilson


@pytest.mark.parametrize(
    ("hits", "n", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (29, 29, (0.8830, 1.0)),
    ],
)
def test_wilson_is_the_published_one(hits, n, expected):
    """Newcombe, Stat Med 17:857 (1998), table I, method 3."""
    assert wilson(hits, n) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, (0.0, 3.689)), (1, (0.025, 5.572)), (10, (4.795, 18.390))]
)
def test_poisson_is_the_published_one(count, expected):
    """Garwood's limits, as tabled by Pearson and Hartley."""
    assert poisson(count, 1) == pytest.approx(expected, abs=1e-3)
    assert poisson(count, 4) == pytest.approx(np.asarray(expected) / 4, abs=1e-3)


def test_nothing_has_no_interval():
    """Of none, over none: no figure, no ends, n = 0, no method."""
    for empty in (proportion([], []), proportion([0], [0]), rate([]), mean([]), mean([[], []]), median([])):
        assert (empty.value, empty.low, empty.high, empty.n, empty.method) == (None, None, None, 0, "")
    assert wilson(0, 0) == poisson(0, 0) == (None, None)


def test_more_hits_than_nodules_is_refused():
    """It would be a mistake in the counting."""
    with pytest.raises(ValueError, match="5 of 4"):
        wilson(5, 4)


def test_a_draw_has_as_many_cases_as_there_are():
    """Each row of weights sums to the number of cases, and the same seed draws the same."""
    weights = draws(7, repeats=50)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == draws(7, repeats=50)).all()


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    """For many cases the percentiles lie at 1.96 standard errors."""
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = ratio(values, np.ones(400))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_cases_that_differ_widen_the_interval():
    """Ten scans, in half of which everything is missed: nodules within a scan are no new evidence."""
    alike, apart = proportion([50] * 10, [100] * 10), proportion([100, 0] * 5, [100] * 10)
    assert alike.value == apart.value == 0.5
    assert apart.high - apart.low > 5 * (alike.high - alike.low)


def test_cases_that_are_alike_do_not_narrow_it_to_nothing():
    """All found in each of three scans: the bootstrap alone would claim [1, 1]."""
    estimate = proportion([10, 10, 10], [10, 10, 10])
    assert estimate.low == pytest.approx(wilson(30, 30)[0])
    assert (estimate.high, estimate.n, estimate.cases) == (1.0, 30, 3)


def test_a_single_case_is_judged_by_formula():
    """There is nothing to draw from one scan."""
    estimate = proportion([8], [10])
    assert (estimate.low, estimate.high) == wilson(8, 10)
    assert estimate.method == "wilson"
    assert (rate([3]).low, rate([3]).high) == poisson(3, 1)


def test_cases_without_nodules_are_not_counted_among_them():
    """The n is of nodules, cases those that hold any."""
    estimate = proportion([1, 0, 2], [2, 0, 2])
    assert (estimate.value, estimate.n, estimate.cases) == (0.75, 4, 2)


def test_the_mean_over_nodules_and_its_root():
    """(1 + 4 + 4) / 3; the root of it is the root of the ends too."""
    values = [[1.0, 4.0], [], [4.0]]
    plain, root = mean(values), mean(values, np.sqrt)
    assert (plain.value, plain.n, plain.cases, plain.method) == (3.0, 3, 2, "bootstrap")
    assert root.value == pytest.approx(3**0.5)
    assert (root.low, root.high) == pytest.approx((plain.low**0.5, plain.high**0.5))


def test_the_mean_of_a_single_case_draws_its_nodules():
    """And says so."""
    estimate = mean([[1.0, 2.0, 3.0]])
    assert estimate.method == "bootstrap of nodules"
    assert 1.0 <= estimate.low < 2.0 < estimate.high <= 3.0


def test_a_median_draws_what_belongs_together_together():
    """Six equal exams each of twelve patients say no more than one of each."""
    alone = [[float(n)] for n in range(12)]
    often = [[float(n)] * 6 for n in range(12)]
    one, six, loose = median_of(alone), median_of(often), median([v for some in often for v in some])
    assert (six.n, six.cases, six.value) == (72, 12, one.value)
    assert six.high - six.low > 1.5 * (loose.high - loose.low)


def test_a_single_value_has_no_interval():
    """One nodule, one case, one median: a figure without ends."""
    for estimate in (mean([[2.0]]), median([2.0])):
        assert (estimate.value, estimate.low, estimate.n) == (2.0, None, 1)


def test_a_statistic_that_is_mostly_no_number_has_no_interval():
    """Draws that cannot be judged are left out; when they are most, nothing is claimed."""
    assert interval(lambda w: float("nan") if w[0] == 0 else 1.0, 2) == (1.0, 1.0)
    assert interval(lambda _: float("nan"), 5) == (None, None)
