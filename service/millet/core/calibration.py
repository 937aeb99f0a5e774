"""The probability that a finding is a nodule: from its score, and from how many findings its exam holds.

A score alone has none. In lungs without a nodule a detector still reports a few things, about as many in
one patient as in another; of three findings of an exam most may be such, of three hundred that score the
same hardly any. So the log odds rise with the log odds of the score (Platt, Advances in Large Margin
Classifiers, 61, 2000) and with the logarithm of the number of findings in a litre of lung:

    log odds = intercept + by_score * log(score / (1 - score)) + by_density * log(findings a litre)

What is fitted holds for the model that it was fitted with, at its thresholds, and for scans and findings
like those that it was fitted on; elsewhere there is no probability, and why is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.core.language import phrase

_SURE = 1e-4
"""Scores count as at most this near to 0 and to 1."""
LEAST = 0.001
"""Nothing is told to be surer than this, either way: the rounding rule would make it certain."""

_TOLD = ("version", "fitted_with", "fitted_on", "prevalence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The findings of one exam, as a calibration asks about them."""

    scores: Sequence[float]
    """All that are reported, 0 to 1."""
    diameters_mm: Sequence[float]
    """As the detector has them."""
    lungs_l: float
    """Litres of lung that were looked at."""
    slice_mm: float

    @property
    def per_litre(self) -> float:
        """Findings in a litre of lung."""
        return len(self.scores) / self.lungs_l


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an exam's report says of probabilities."""

    probabilities: tuple[float | None, ...]
    """Of each finding, in their order; None where there is none."""
    by: str = ""
    """What they were calibrated on; empty where no finding has one."""
    not_assessed: tuple[str, ...] = ()
    """Which findings have none, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was fitted, on what, and where it holds. Pairs are the least and the most."""

    version: str
    fitted_with: str
    """`Manifest.finds_by` of the model whose findings it was fitted on; with another it is refused."""
    fitted_on: str
    """Subjects and nodules in a few words; every report says them."""
    prevalence: str
    """The population that it means: how frequent nodules are in it."""
    intercept: float
    by_score: float
    by_density: float
    per_litre: tuple[float, float]
    """Findings a litre of the exams; in fewer and in more the nearer of the two counts."""
    diameter_mm: tuple[float, float]
    """Findings of other sizes, by the detector's diameter, have no probability."""
    slice_mm: tuple[float, float]
    """Nor have findings in slices of other thickness."""

    def of(self, scores: Floats, per_litre: float) -> Floats:
        """(N,) probabilities of (N,) scores in an exam of so many findings a litre, whatever their size."""
        low, high = self.per_litre
        facts = evidence(scores, np.full(len(scores), min(max(per_litre, low), high)))
        log_odds = self.intercept + facts @ (self.by_score, self.by_density)
        return np.clip(1 / (1 + np.exp(-log_odds)), LEAST, 1 - LEAST)

    @property
    def told(self) -> str:
        """What it is, in the words that stand beside its probabilities."""
        return phrase(
            "calibration", version=self.version, fitted_on=self.fitted_on, prevalence=self.prevalence
        )

    def mistakes(self) -> Iterator[str]:
        """What of it makes no sense."""
        yield from (f"{name} must be told" for name in _TOLD if not getattr(self, name).strip())
        for name in ("intercept", "by_score", "by_density"):
            if not math.isfinite(getattr(self, name)):
                yield f"{name} {getattr(self, name)} is no number"
        for name in ("by_score", "by_density"):
            if getattr(self, name) < 0:
                yield f"{name} {getattr(self, name)} must not be negative: what is surer would be less likely"
        for name in ("per_litre", "diameter_mm", "slice_mm"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                yield f"{name} {(low, high)} is no range"


def evidence(scores: Floats, per_litre: Floats) -> Floats:
    """(N, 2) log odds of (N,) scores, and logarithms of (N,) findings a litre."""
    sure = np.clip(scores, _SURE, 1 - _SURE)
    return np.column_stack([np.log(sure / (1 - sure)), np.log(per_litre)])


def told(fitted: Calibration | None, sample: Sample) -> Told:
    """The probabilities of an exam's findings, or why there are none; a score is never shown as one."""
    none = (None,) * len(sample.scores)
    if not none:
        return Told(probabilities=())
    if fitted is None:
        return Told(probabilities=none, not_assessed=(_not(phrase("uncalibrated.model")),))
    low, high = fitted.slice_mm
    if not low <= round(sample.slice_mm, 2) <= high:
        why = phrase("uncalibrated.slices", slice_mm=sample.slice_mm, low=low, high=high)
        return Told(probabilities=none, not_assessed=(_not(why),))
    return _sized(fitted, sample)


def _sized(fitted: Calibration, sample: Sample) -> Told:
    """Of the findings whose size it was fitted on."""
    low, high = fitted.diameter_mm
    values = fitted.of(np.asarray(sample.scores, float), sample.per_litre).tolist()
    held = [low <= diameter <= high for diameter in sample.diameters_mm]
    others = () if all(held) else (_not(phrase("uncalibrated.sizes", low=low, high=high)),)
    return Told(
        probabilities=tuple(value if fits else None for value, fits in zip(values, held, strict=True)),
        by=fitted.told if any(held) else "",
        not_assessed=others,
    )


def _not(why: str) -> str:
    return phrase("not-assessed.probability", why=why)
