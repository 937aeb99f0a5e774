"""How far told probabilities hold: Brier score, expected calibration error, and a table of ten bins.

Brier (Mon Weather Rev 78:1, 1950); the error is the mean distance of told and seen over bins of equal width,
weighted by what is in them (Naeini, AAAI 2015). Intervals draw the subjects again, so that the same lungs
seen twice count once. The error of few findings is too high: chance alone keeps it from nought.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.evaluate.bootstrap import interval
from millet.evaluate.calibrating import Exam
from millet.evaluate.estimate import Estimate, Interval, wilson

BINS = 10

Probabilities = Callable[[Exam], Floats]
"""(N,) what is told of the findings of an exam."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The findings that are told a probability between two tenths."""

    low: float
    high: float
    n: int
    told: float | None
    """Mean of what was told; None of none."""
    seen: float | None
    """The share that were nodules."""
    interval: Interval
    """Wilson's, of `seen`; too narrow where the same finding is in several exams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """How probabilities held on some exams."""

    brier: Estimate
    brier_of_share: Estimate
    """The score of telling every finding the share of nodules among all of them."""
    error: Estimate
    """Expected calibration error."""
    told: Estimate
    """Mean of what was told."""
    seen: Estimate
    """Share of nodules."""
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """Of the findings of each of S subjects, and in each bin."""

    n: Floats
    told: Floats
    true: Floats
    square: Floats
    """Of told less true."""
    off: Floats
    """(S, BINS) told less true."""

    @classmethod
    def of(cls, told: Floats, true: Floats, subject: NDArray[np.intp], subjects: int) -> _Sums:
        """Of (N,) findings of one of so many subjects each."""
        places = subject * BINS + _bin(told)
        return cls(
            n=np.bincount(subject, minlength=subjects).astype(float),
            told=_summed(subject, told, subjects),
            true=_summed(subject, true, subjects),
            square=_summed(subject, (told - true) ** 2, subjects),
            off=_summed(places, told - true, subjects * BINS).reshape(subjects, BINS),
        )


def calibrated(exams: Sequence[Exam], tell: Probabilities) -> Calibrated:
    """Judge what is told of the findings of some exams."""
    told = np.concatenate([np.zeros(0), *(tell(exam) for exam in exams)])
    true = np.concatenate([np.zeros(0), *(exam.nodule.astype(float) for exam in exams)])
    subjects = {name: number for number, name in enumerate(sorted({exam.subject for exam in exams}))}
    whose = [np.full(len(exam.nodule), subjects[exam.subject]) for exam in exams]
    sums = _Sums.of(told, true, np.concatenate([np.zeros(0, np.intp), *whose]), len(subjects))
    return Calibrated(
        brier=_estimate(sums, lambda drawn: _over(drawn @ sums.square, drawn @ sums.n)),
        brier_of_share=_estimate(sums, lambda drawn: _spread(_over(drawn @ sums.true, drawn @ sums.n))),
        error=_estimate(sums, lambda drawn: _over(np.abs(drawn @ sums.off).sum(), drawn @ sums.n)),
        told=_estimate(sums, lambda drawn: _over(drawn @ sums.told, drawn @ sums.n)),
        seen=_estimate(sums, lambda drawn: _over(drawn @ sums.true, drawn @ sums.n)),
        bins=tuple(_one(number, told, true) for number in range(BINS)),
    )


def _estimate(sums: _Sums, statistic: Callable[[Floats], float]) -> Estimate:
    """A statistic of how often each subject counts, once as they are and drawn again for its interval."""
    cases, n = len(sums.n), int(sums.n.sum())
    if not n:
        return Estimate(value=None, low=None, high=None, n=0, cases=cases, method="")
    low, high = interval(lambda drawn: statistic(np.asarray(drawn, float)), cases)
    method = "" if low is None else "bootstrap"
    return Estimate(value=statistic(np.ones(cases)), low=low, high=high, n=n, cases=cases, method=method)


def _summed(places: NDArray[np.intp], values: Floats, count: int) -> Floats:
    return np.bincount(places, values, count).astype(float)


def _over(top: Any, bottom: Any) -> float:
    """A quotient of sums; NaN where nothing was drawn."""
    return float(top) / float(bottom) if bottom else float("nan")


def _spread(share: float) -> float:
    return share * (1 - share)


def _one(number: int, told: Floats, true: Floats) -> Bin:
    inside = _bin(told) == number
    n, hits = int(inside.sum()), int(true[inside].sum())
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        n=n,
        told=float(told[inside].mean()) if n else None,
        seen=hits / n if n else None,
        interval=wilson(hits, n),
    )


def _bin(told: Floats) -> NDArray[np.intp]:
    return np.minimum((told * BINS).astype(np.intp), BINS - 1)
