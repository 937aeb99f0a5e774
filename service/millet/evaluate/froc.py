"""Free-response ROC: sensitivity over false findings per scan, at every threshold there is.

Chakraborty, Radiology 174:873 (1990); the mean of the sensitivities at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false
findings per scan is the CPM (Niemeijer, IEEE TMI 30:215, 2011). Sensitivity at a rate is that of the
lowest threshold which keeps to the rate: a point that can be set, never one between two points. No list
is cut: every candidate of every case enters. Sweeps come from `sweep.sweep`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.evaluate.bootstrap import LEAST_CASES, Weights, draws, percentiles
from millet.evaluate.estimate import NO_INTERVAL, Estimate, hull, wilson
from millet.evaluate.sweep import Sweep

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """The points of the curve by falling threshold, one for each distinct score; all (T,).

    Sensitivity is NaN where there are no nodules.
    """

    threshold: Floats
    false_per_scan: Floats
    sensitivity: Floats
    scans: int
    nodules: int

    def at(self, rate: float) -> float:
        """The sensitivity of the lowest threshold with at most `rate` false findings per scan."""
        return float(self.at_each((rate,))[0])

    def at_each(self, rates: Sequence[float]) -> Floats:
        """The same for several rates."""
        places = np.searchsorted(self.false_per_scan, rates, side="right")
        nothing = 0.0 if self.nodules else np.nan
        return np.asarray(np.append(nothing, self.sensitivity)[places], float)

    def threshold_at(self, rate: float) -> float | None:
        """The lowest score to report with at most `rate` false findings per scan; None: no score does."""
        place = int(np.searchsorted(self.false_per_scan, rate, side="right")) - 1
        return float(self.threshold[place]) if place >= 0 else None

    def corners(self) -> NDArray[np.intp]:
        """The points that say all: where the sensitivity rises, and the last."""
        risen = np.diff(self.sensitivity, prepend=0.0) > 0
        return np.flatnonzero(risen | (np.arange(len(risen)) == len(risen) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Froc:
    """Sensitivities at the seven rates, and their mean."""

    at: tuple[tuple[float, Estimate], ...]
    """(false findings per scan, sensitivity)."""
    cpm: Estimate


class Events:
    """All scores of all cases in falling order, ready to be weighted: a curve for any draw of cases."""

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        scores = [part for one in sweeps for part in (one.true, one.false)]
        score = np.concatenate([*scores, np.zeros(0)])
        kind = np.repeat(np.tile([True, False], len(sweeps)), [len(part) for part in scores])
        case = np.repeat(np.arange(len(sweeps)).repeat(2), [len(part) for part in scores])
        order = np.argsort(-score, kind="stable")
        self._true, self._case, score = kind[order], case[order], score[order]
        self._ends = np.flatnonzero(np.append(score[1:] != score[:-1], len(score) > 0))
        self._threshold = score[self._ends]
        self._nodules = np.asarray([one.nodules for one in sweeps], np.int64)

    def curve(self, weights: Weights | None = None) -> Curve:
        """The curve of all cases, or of a draw that has case i `weights[i]` times."""
        w = np.ones(len(self._nodules), np.int64) if weights is None else weights
        each = w[self._case]
        true = np.cumsum(each * self._true)[self._ends]
        false = np.cumsum(each * ~self._true)[self._ends]
        scans, nodules = int(w.sum()), int(w @ self._nodules)
        return Curve(
            threshold=self._threshold,
            false_per_scan=false / max(scans, 1),
            sensitivity=true / nodules if nodules else np.full(len(true), np.nan),
            scans=scans,
            nodules=nodules,
        )


def curve(sweeps: Sequence[Sweep]) -> Curve:
    """The curve of some cases; empty without candidates."""
    return Events(sweeps).curve()


def froc(sweeps: Sequence[Sweep], rates: Sequence[float] = RATES) -> Froc:
    """Sensitivities at some rates with intervals over cases, and their mean."""
    events = Events(sweeps)
    whole = events.curve()
    values = whole.at_each(rates)
    drawn = np.empty((0, len(rates)))
    if len(sweeps) >= LEAST_CASES and whole.nodules:
        drawn = np.asarray([events.curve(weights).at_each(rates) for weights in draws(len(sweeps))])
    each = [_estimate(value, drawn[:, number], whole) for number, value in enumerate(values)]
    cpm = _estimate(values.mean(), drawn.mean(axis=1), whole)
    return Froc(at=tuple(zip(map(float, rates), each, strict=True)), cpm=cpm)


def _estimate(value: float, drawn: Floats, whole: Curve) -> Estimate:
    """A sensitivity; its interval is the cases', or Wilson's where that is wider (see `bootstrap`)."""
    n = whole.nodules
    by_cases = percentiles(drawn) if len(drawn) else NO_INTERVAL
    low, high = hull(wilson(round(value * n), n), by_cases) if n else NO_INTERVAL
    return Estimate(
        value=float(value) if n else None,
        low=low,
        high=high,
        n=n,
        cases=whole.scans,
        method="" if low is None else "wilson" if by_cases == NO_INTERVAL else "wilson or bootstrap",
    )
