"""Intervals by drawing the cases again: nodules of one scan are not independent, scans are.

Percentile bootstrap (Efron and Tibshirani, 1993, chapter 13) over cases, with a fixed seed. A draw is a
vector of weights, how often each case was drawn, so that a statistic of weighted sums needs no copy of
the cases. Where it can say nothing (one case) or says too little (all cases alike: nought width) the
formula's interval stands beside it and the wider end counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.evaluate.estimate import CONFIDENCE, NO_INTERVAL, Estimate, Interval, hull, poisson, wilson

REPEATS = 1000
SEED = 20161
LEAST_CASES = 2

Weights = NDArray[np.int64]


def draws(cases: int, repeats: int = REPEATS, seed: int = SEED) -> Weights:
    """(repeats, cases) how often each case was drawn."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(cases, np.full(cases, 1 / cases), size=repeats).astype(np.int64)


def interval(
    statistic: Callable[[Weights], float], cases: int, repeats: int = REPEATS, seed: int = SEED
) -> Interval:
    """Percentiles of a statistic of the weights (cases,); draws of which it is NaN are left out."""
    if cases < LEAST_CASES:
        return NO_INTERVAL
    return percentiles(np.asarray([statistic(weights) for weights in draws(cases, repeats, seed)], float))


def percentiles(values: Floats) -> Interval:
    """The middle 95 % of the values that are numbers; none where fewer than half of them are."""
    finite = values[np.isfinite(values)]
    if 2 * len(finite) < max(len(values), 1):
        return NO_INTERVAL
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)


def ratio(tops: Sequence[float], bottoms: Sequence[float]) -> Interval:
    """The interval of sum(tops) / sum(bottoms), each a number a case."""
    if len(tops) < LEAST_CASES:
        return NO_INTERVAL
    weights = draws(len(tops))
    with np.errstate(divide="ignore", invalid="ignore"):
        return percentiles((weights @ np.asarray(tops, float)) / (weights @ np.asarray(bottoms, float)))


def proportion(hits: Sequence[int], totals: Sequence[int]) -> Estimate:
    """A share of all, from its hits and totals in each case: Wilson's interval, or the cases' if wider."""
    n, count = sum(totals), sum(hits)
    used = sum(total > 0 for total in totals)
    by_cases = ratio(hits, totals)
    low, high = hull(wilson(count, n), by_cases) if n else NO_INTERVAL
    method = "" if low is None else "wilson" if by_cases == NO_INTERVAL else "wilson or bootstrap"
    return Estimate(value=count / n if n else None, low=low, high=high, n=n, cases=used, method=method)


def rate(counts: Sequence[int]) -> Estimate:
    """How many a scan, from the count in each: Garwood's interval, or the cases' if wider."""
    n = len(counts)
    by_cases = ratio(counts, [1] * n)
    low, high = hull(poisson(sum(counts), n), by_cases)
    method = "" if low is None else "poisson" if by_cases == NO_INTERVAL else "poisson or bootstrap"
    return Estimate(value=sum(counts) / n if n else None, low=low, high=high, n=n, cases=n, method=method)


def mean(
    values: Sequence[Sequence[float]], finish: Callable[[float], float] = lambda value: value
) -> Estimate:
    """`finish` of the mean of all values, given case by case; of a single case its values are drawn.

    `finish` is monotone and makes, for example, the root of a mean square.
    """
    n, used = sum(map(len, values)), sum(len(some) > 0 for some in values)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0, cases=0, method="")
    units = (
        [some for some in values if some] if used >= LEAST_CASES else [[v] for some in values for v in some]
    )
    low, high = ratio([sum(unit) for unit in units], [len(unit) for unit in units])
    method = "" if low is None else "bootstrap" if used >= LEAST_CASES else "bootstrap of nodules"
    return Estimate(
        value=finish(sum(map(sum, values)) / n),
        low=None if low is None else finish(low),
        high=None if high is None else finish(high),
        n=n,
        cases=used,
        method=method,
    )


def median(values: Sequence[float]) -> Estimate:
    """The median of one value a case."""
    return median_of([[value] for value in values])


def median_of(values: Sequence[Sequence[float]]) -> Estimate:
    """The median of all values, given case by case; cases are drawn."""
    each = np.asarray([value for some in values for value in some], float)
    sizes, n, cases = [len(some) for some in values], len(each), len(values)
    low, high = interval(lambda weights: _median(np.repeat(each, np.repeat(weights, sizes))), cases)
    return Estimate(
        value=_median(each) if n else None,
        low=low,
        high=high,
        n=n,
        cases=cases,
        method="" if low is None else "bootstrap",
    )


def _median(values: Floats) -> float:
    return float(np.median(values))
