"""A figure with its interval and its n; intervals that a formula gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import chi2, norm

CONFIDENCE = 0.95
NO_INTERVAL = (None, None)

Interval = tuple[float, float] | tuple[None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One figure, its 95 % interval, and what it was taken over.

    `value` is None when there was nothing to take it over (n is then 0, or a line through one point);
    the ends are None when n allows no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Of what the figure is a share or a mean: nodules, findings, scans or cases."""
    cases: int
    """How many scans they come from."""
    method: str
    """How the interval was made; empty for none."""


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a proportion (Wilson, JASA 22:209, 1927); none for n = 0."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no proportion")
    if n == 0:
        return NO_INTERVAL
    z = float(norm.ppf((1 + confidence) / 2))
    share, scale = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == n else middle + half
    return low, high


def poisson(count: int, scans: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact interval of a count per scan (Garwood, Biometrika 28:437, 1936); none without scans."""
    if scans == 0:
        return NO_INTERVAL
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(chi2.ppf(tail, 2 * count)) / 2
    return low / scans, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2 / scans


def hull(one: Interval, other: Interval) -> Interval:
    """The wider of two intervals at either end."""
    lows = [low for low in (one[0], other[0]) if low is not None]
    highs = [high for high in (one[1], other[1]) if high is not None]
    return (min(lows), max(highs)) if lows and highs else NO_INTERVAL
