"""What an alert is worth where positive studies are as frequent as somebody says.

Predictive values follow from sensitivity, specificity and prevalence by Bayes' theorem; those of the cases
themselves hold for the mixture of the cases alone. Intervals are the logit ones of Mercaldo, Lau and Zhou
(Stat Med 26:2170, 2007), adjusted as they say where a cell of the table is empty, and the patients drawn
again; at either end the wider one counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from millet.core.geometry import Floats
from millet.evaluate.bootstrap import LEAST_CASES, draws, percentiles, proportion
from millet.evaluate.estimate import CONFIDENCE, NO_INTERVAL, Estimate, Interval, hull

ROWS = 1000
"""Of so many studies it is told how many raise an alert."""
_CELLS = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}
"""By whether there is an alert and whether there should be one."""
_Z = float(norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One study of which alert and truth are known."""

    patient: str
    """Studies of one patient are drawn together."""
    alert: bool
    positive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Alerts against truth, in studies."""

    true_alerts: int
    false_alerts: int
    missed: int
    true_silences: int

    @property
    def positives(self) -> int:
        """Studies that should raise an alert."""
        return self.true_alerts + self.missed

    @property
    def negatives(self) -> int:
        """Studies that should raise none."""
        return self.false_alerts + self.true_silences


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Alerts against truth, with what they are worth."""

    confusion: Confusion
    sensitivity: Estimate
    specificity: Estimate
    ppv_here: Estimate
    """Among these studies, whatever share of them is positive."""
    npv_here: Estimate
    prevalence: float | None
    """At which the following hold; None where nobody said."""
    ppv: Estimate | None
    npv: Estimate | None
    alerts_in_1000: Estimate | None


def accuracy(judged: Sequence[Judged], prevalence: float | None) -> Accuracy:
    """Judge alerts. Raises ValueError for a prevalence that is not between 0 and 1."""
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"a prevalence lies between 0 and 1, not {prevalence:g}")
    cells = _cells(judged)
    hit, false, missed, quiet = (tuple(int(v) for v in column) for column in cells.T)
    return Accuracy(
        confusion=Confusion(
            true_alerts=sum(hit), false_alerts=sum(false), missed=sum(missed), true_silences=sum(quiet)
        ),
        sensitivity=proportion(hit, _sums(hit, missed)),
        specificity=proportion(quiet, _sums(quiet, false)),
        ppv_here=proportion(hit, _sums(hit, false)),
        npv_here=proportion(quiet, _sums(quiet, missed)),
        prevalence=prevalence,
        ppv=None if prevalence is None else _at(cells, ppv, _ppv_logit, prevalence),
        npv=None if prevalence is None else _at(cells, npv, _npv_logit, prevalence),
        alerts_in_1000=None if prevalence is None else _at(cells, alerts, _alerts_linear, prevalence),
    )


def ppv_at(judged: Sequence[Judged], prevalence: float) -> Estimate:
    """The share of alerts that are right, at a prevalence."""
    return _at(_cells(judged), ppv, _ppv_logit, prevalence)


def npv_at(judged: Sequence[Judged], prevalence: float) -> Estimate:
    """The share of silences that are right, at a prevalence."""
    return _at(_cells(judged), npv, _npv_logit, prevalence)


def ppv(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Bayes' theorem; NaN where there would be no alert at all."""
    return _over(sensitivity * prevalence, (1 - specificity) * (1 - prevalence))


def npv(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Bayes' theorem; NaN where there would be nothing but alerts."""
    return _over(specificity * (1 - prevalence), (1 - sensitivity) * prevalence)


def alerts(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Of `ROWS` studies."""
    return ROWS * (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))


def _over(this: float, other: float) -> float:
    return this / (this + other) if this + other > 0 else math.nan


def _cells(judged: Sequence[Judged]) -> Floats:
    """(patients, 4) how many studies of each are true alerts, false ones, missed, true silences."""
    patients = {name: number for number, name in enumerate(sorted({one.patient for one in judged}))}
    counted = np.zeros((len(patients), 4))
    for one in judged:
        counted[patients[one.patient], _CELLS[one.alert, one.positive]] += 1
    return counted


def _sums(some: Sequence[int], others: Sequence[int]) -> list[int]:
    return [one + other for one, other in zip(some, others, strict=True)]


_Formula = Callable[[float, float, float], float]
_Ends = Callable[["_Shares", float], Interval]


def _at(cells: Floats, formula: _Formula, ends: _Ends, prevalence: float) -> Estimate:
    """A figure of sensitivity, specificity and prevalence; none without positives and negatives."""
    hit, false, missed, quiet = (float(v) for v in cells.sum(axis=0)) if len(cells) else (0.0,) * 4
    n = int(hit + false + missed + quiet)
    if not (hit + missed and quiet + false):
        return Estimate(value=None, low=None, high=None, n=n, cases=len(cells), method="")
    value = formula(hit / (hit + missed), quiet / (quiet + false), prevalence)
    if math.isnan(value):
        return Estimate(value=None, low=None, high=None, n=n, cases=len(cells), method="")
    drawn = _drawn(cells, formula, prevalence)
    wider = hull(ends(_Shares.of(hit, missed, quiet, false), prevalence), drawn)
    low, high = hull(wider, (value, value))
    method = "logit" if drawn == NO_INTERVAL else "logit or bootstrap"
    return Estimate(value=value, low=low, high=high, n=n, cases=len(cells), method=method)


def _drawn(cells: Floats, formula: _Formula, prevalence: float) -> Interval:
    """The patients drawn again."""
    if len(cells) < LEAST_CASES:
        return NO_INTERVAL
    with np.errstate(divide="ignore", invalid="ignore"):
        hit, false, missed, quiet = (draws(len(cells)) @ cells).T
        pairs = zip(hit / (hit + missed), quiet / (quiet + false), strict=True)
        return percentiles(np.asarray([formula(float(se), float(sp), prevalence) for se, sp in pairs]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """Sensitivity and specificity; where a cell is empty half of z squared is added to right and wrong."""

    sensitivity: float
    specificity: float
    positives: float
    negatives: float

    @classmethod
    def of(cls, hit: float, missed: float, quiet: float, false: float) -> _Shares:
        """Of counts."""
        more = 0.0 if min(hit, missed, quiet, false) else _Z * _Z
        return cls(
            sensitivity=(hit + more / 2) / (hit + missed + more),
            specificity=(quiet + more / 2) / (quiet + false + more),
            positives=hit + missed + more,
            negatives=quiet + false + more,
        )


def _ppv_logit(of: _Shares, prevalence: float) -> Interval:
    se, sp = of.sensitivity, of.specificity
    variance = (1 - se) / (se * of.positives) + sp / ((1 - sp) * of.negatives)
    return _logit_ends(ppv(se, sp, prevalence), variance)


def _npv_logit(of: _Shares, prevalence: float) -> Interval:
    se, sp = of.sensitivity, of.specificity
    variance = se / ((1 - se) * of.positives) + (1 - sp) / (sp * of.negatives)
    return _logit_ends(npv(se, sp, prevalence), variance)


def _logit_ends(value: float, variance: float) -> Interval:
    middle, half = float(logit(value)), _Z * math.sqrt(variance)
    return float(expit(middle - half)), float(expit(middle + half))


def _alerts_linear(of: _Shares, prevalence: float) -> Interval:
    se, sp = of.sensitivity, of.specificity
    variance = prevalence**2 * se * (1 - se) / of.positives
    variance += (1 - prevalence) ** 2 * sp * (1 - sp) / of.negatives
    middle, half = alerts(se, sp, prevalence), ROWS * _Z * math.sqrt(variance)
    return max(middle - half, 0.0), min(middle + half, float(ROWS))
