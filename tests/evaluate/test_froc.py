import math

import numpy as np
import pytest
from findings import case, random_case

from millet.evaluate.estimate import wilson
from millet.evaluate.froc import RATES, curve, froc
from millet.evaluate.sweep import sweep


def sweeps(*cases):
    """The sweeps of some cases."""
    return [sweep(one) for one in cases]


TWO = sweeps(
    case(true=(0, 10), found=((0, 0.9), (30, 0.8), (10, 0.7))),
    case(true=(0, 10), found=((0, 0.6), (30, 0.8), (40, 0.5))),
)
"""By falling score: found .9, false .8 twice, found .7, found .6, false .5; four nodules in two scans."""


def test_the_curve_by_hand():
    """One point for each distinct score; two false ones of one score come at once."""
    points = curve(TWO)
    assert points.threshold.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert points.false_per_scan.tolist() == [0, 1, 1, 1, 1.5]
    assert points.sensitivity.tolist() == [0.25, 0.25, 0.5, 0.75, 0.75]
    assert points.corners().tolist() == [0, 2, 3, 4]


def test_sensitivity_at_a_rate_is_that_of_a_threshold_that_keeps_to_it():
    """Below one false finding per scan only the first nodule can be had: nothing is interpolated."""
    points = curve(TWO)
    assert [points.at(rate) for rate in (0.0, 0.99, 1.0, 8.0)] == [0.25, 0.25, 0.75, 0.75]
    assert [points.threshold_at(rate) for rate in (0.5, 1.0, 2.0)] == [0.9, 0.6, 0.5]


def test_the_cpm_by_hand():
    """The mean over the seven rates: a quarter three times, three quarters four times."""
    result = froc(TWO)
    assert tuple(rate for rate, _ in result.at) == RATES
    assert [e.value for _, e in result.at] == [0.25] * 3 + [0.75] * 4
    assert result.cpm.value == pytest.approx((3 * 0.25 + 4 * 0.75) / 7)
    assert (result.cpm.n, result.cpm.cases) == (4, 2)
    assert result.cpm.low is not None
    assert result.cpm.low <= result.cpm.value <= result.cpm.high


def test_a_false_finding_above_all_leaves_nothing_at_a_low_rate():
    """One scan whose best candidate is false has sensitivity 0 below one false finding per scan."""
    points = curve(sweeps(case(true=(0,), found=((30, 0.9), (0, 0.8)))))
    assert (points.at(0.5), points.at(1.0)) == (0.0, 1.0)
    assert points.threshold_at(0.5) is None


def test_equal_scores_are_one_point():
    """A threshold cannot part them: a found and a false one of one score come together."""
    points = curve(sweeps(case(true=(0,), found=((30, 0.5), (0, 0.5)))))
    assert (points.false_per_scan.tolist(), points.sensitivity.tolist()) == ([1], [1])


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_only_rises(seed):
    """A lower threshold finds no fewer nodules and no fewer false ones."""
    rng = np.random.default_rng(seed)
    points = curve(sweeps(*(random_case(rng, levels=50) for _ in range(4))))
    assert (np.diff(points.threshold) < 0).all()
    assert (np.diff(points.sensitivity) >= 0).all()
    assert (np.diff(points.false_per_scan) >= 0).all()
    values = [e.value for _, e in froc(sweeps(random_case(rng))).at]
    assert values == sorted(values)


def test_no_list_is_cut():
    """Two thousand nodules with two thousand candidates, and two thousand false ones after them."""
    true = [10 * n for n in range(2000)]
    found = [(x, 0.9 - x / 1e5) for x in true] + [(x + 5, 0.1) for x in true]
    points = curve(sweeps(case(true=true, found=found)))
    assert (points.at(1 / 8), points.false_per_scan[-1], points.sensitivity[-1]) == (1.0, 2000, 1.0)


@pytest.mark.parametrize(
    "cases",
    [[], [case()], [case(found=((0, 0.5),)), case()]],
    ids=["no case", "an empty case", "no nodule"],
)
def test_without_nodules_there_is_no_sensitivity(cases):
    """None with n = 0 instead of a number."""
    result = froc(sweeps(*cases))
    assert all(e.value is None and e.n == 0 and e.low is None for _, e in result.at)
    assert result.cpm.value is None
    assert math.isnan(curve(sweeps(*cases)).at(1.0))


def test_one_case_has_the_interval_of_the_formula():
    """Scans cannot be drawn again from one: Wilson's, for one of two nodules and for both."""
    result = froc(TWO[:1])
    assert [(e.low, e.high) for _, e in result.at] == [wilson(1, 2)] * 3 + [wilson(2, 2)] * 4
    assert result.cpm.method == "wilson"


def test_all_found_is_not_claimed_without_a_doubt():
    """Every nodule before every false finding in each scan: each draw has 1.0, the interval is Wilson's."""
    result = froc(sweeps(*[case(true=(0, 10), found=((0, 0.9), (10, 0.8), (30, 0.1)))] * 5))
    assert (result.cpm.value, result.cpm.high) == (1.0, 1.0)
    assert result.cpm.low == pytest.approx(wilson(10, 10)[0])
