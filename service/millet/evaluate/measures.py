"""What the operating point is worth: false findings, counts, and how exact place and size are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.evaluate.bootstrap import interval, mean, median, proportion, rate
from millet.evaluate.case import Judged
from millet.evaluate.estimate import NO_INTERVAL, Estimate

ALL_MM = (0.0, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Found against true, a straight line through all cases by least squares."""

    slope: Estimate
    intercept: float | None
    r_squared: float | None


def sensitivity(judged: Sequence[Judged]) -> Estimate:
    """The share of all nodules that were found."""
    return proportion([len(j.matching.pairs) for j in judged], [len(j.case.truth) for j in judged])


def false_per_scan(judged: Sequence[Judged], *, empty_only: bool = False) -> Estimate:
    """False findings per scan; of the scans without a nodule alone if so wanted."""
    return rate([len(j.matching.false) for j in judged if not (empty_only and j.case.truth)])


def false_discovery_rate(judged: Sequence[Judged]) -> Estimate:
    """The share of all counted findings that are false."""
    return proportion([len(j.matching.false) for j in judged], [j.counted for j in judged])


def count_error(judged: Sequence[Judged]) -> Estimate:
    """The median of |found - true| / true over the cases that have nodules."""
    return median([abs(j.counted - len(j.case.truth)) / len(j.case.truth) for j in judged if j.case.truth])


def found_against_true(judged: Sequence[Judged]) -> Line:
    """The line through (true, found), one point a case; none where all cases have the same truth."""
    true = np.asarray([len(j.case.truth) for j in judged], float)
    found = np.asarray([j.counted for j in judged], float)
    ones = np.ones(len(judged))
    slope, intercept = _line(true, found, ones)
    known = math.isfinite(slope)
    low, high = (
        interval(lambda weights: _line(true, found, weights.astype(float))[0], len(judged))
        if known and len(judged) > 2
        else NO_INTERVAL
    )
    value = Estimate(
        value=slope if known else None,
        low=low,
        high=high,
        n=len(judged),
        cases=len(judged),
        method="" if low is None else "bootstrap",
    )
    spread = float(((found - found.mean()) ** 2).sum()) if known else 0.0
    left = float(((found - slope * true - intercept) ** 2).sum()) if known else 0.0
    return Line(
        slope=value,
        intercept=intercept if known else None,
        r_squared=1 - left / spread if spread else None,
    )


def diameter_bias_mm(judged: Sequence[Judged], range_mm: tuple[float, float] = ALL_MM) -> Estimate:
    """The mean of found less true diameter, of nodules whose true one lies in a range."""
    return mean([_diameter_errors(one, range_mm) for one in judged])


def diameter_rmse_mm(judged: Sequence[Judged], range_mm: tuple[float, float] = ALL_MM) -> Estimate:
    """The root of the mean square of found less true diameter."""
    return mean([[e * e for e in _diameter_errors(one, range_mm)] for one in judged], math.sqrt)


def centre_error_mm(judged: Sequence[Judged], range_mm: tuple[float, float] = ALL_MM) -> Estimate:
    """The mean distance between found and true centre."""
    low, high = range_mm
    return mean(
        [
            [math.dist(c.centre_mm, m.centre_mm) for c, m in one.pairs if low <= m.diameter_mm < high]
            for one in judged
        ]
    )


def _diameter_errors(one: Judged, range_mm: tuple[float, float]) -> list[float]:
    low, high = range_mm
    return [c.diameter_mm - m.diameter_mm for c, m in one.pairs if low <= m.diameter_mm < high]


def _line(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and intercept by weighted least squares; NaN where x does not vary."""
    total = weights.sum()
    if total == 0 or len(np.unique(x[weights > 0])) < 2:
        return math.nan, math.nan
    mean_x, mean_y = weights @ x / total, weights @ y / total
    slope = float((weights * (x - mean_x)) @ (y - mean_y) / ((weights * (x - mean_x)) @ (x - mean_x)))
    return slope, float(mean_y - slope * mean_x)
