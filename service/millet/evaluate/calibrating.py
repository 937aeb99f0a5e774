"""Fitting a calibration: from exams whose nodules are known to the probability that a finding is one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from millet.core.calibration import Calibration, evidence
from millet.core.geometry import Floats
from millet.core.manifest import Manifest
from millet.errors import ModelError
from millet.evaluate.case import Judged, diameters

LEAST = 10
"""Nodules, and findings that are none, without which nothing is fitted."""
_MIDDLE = (0.5, 99.5)
_EXACT = 1e-3
_START = (0.0, 1.0, 1.0)
_BOUNDS = ((None, None), (0.0, None), (0.0, None))
"""Neither a higher score nor more findings make a nodule less likely."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """The findings of one exam whose truth is known, those left out that only ignored marks explain."""

    subject: str
    """Whose exam it is: exams of one subject are drawn, and left out, together."""
    scores: Floats
    diameters_mm: Floats
    nodule: NDArray[np.bool_]
    """Which of the findings stand for a nodule."""
    per_litre: float
    """All findings that are reported in a litre of lung."""
    slice_mm: float

    @classmethod
    def of(cls, judged: Judged, subject: str, lungs_l: float, slice_mm: float) -> Exam:
        """As a case was judged."""
        found, spared = judged.reported, set(judged.matching.spared)
        hits = {number for number, _ in judged.matching.pairs}
        kept = [number for number in range(len(found)) if number not in spared]
        return cls(
            subject=subject,
            scores=np.asarray([found[number].score for number in kept], float),
            diameters_mm=diameters([found[number] for number in kept]),
            nodule=np.asarray([number in hits for number in kept], bool),
            per_litre=len(found) / lungs_l,
            slice_mm=slice_mm,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a calibration says of itself."""

    version: str
    fitted_on: str
    prevalence: str


def fit(exams: Sequence[Exam], manifest: Manifest, about: About) -> Calibration:
    """The most likely calibration of a model's findings, by logistic regression on smoothed targets.

    Targets are Platt's (1 - 1/(n + 2), not 1, of n nodules), so that no finite set makes anything certain.

    Raises:
        ModelError: too few nodules, or too few findings that are none.
    """
    nodule = np.concatenate([np.zeros(0, bool), *(exam.nodule for exam in exams)])
    true, false = int(nodule.sum()), int((~nodule).sum())
    if min(true, false) < LEAST:
        raise ModelError(
            f"{true} nodules and {false} false findings are too few to calibrate: {LEAST} of each"
        )
    facts = np.vstack([evidence(exam.scores, np.full(len(exam.scores), exam.per_litre)) for exam in exams])
    wanted = np.where(nodule, (true + 1) / (true + 2), 1 / (false + 2))
    intercept, by_score, by_density = _most_likely(facts, wanted)
    sizes = np.concatenate([exam.diameters_mm for exam in exams])
    return Calibration(
        version=about.version,
        fitted_with=manifest.finds_by,
        fitted_on=about.fitted_on,
        prevalence=about.prevalence,
        intercept=round(intercept, 4),
        by_score=round(by_score, 4),
        by_density=round(by_density, 4),
        per_litre=_range([exam.per_litre for exam in exams if len(exam.scores)]),
        diameter_mm=_range(sizes),
        slice_mm=_range([exam.slice_mm for exam in exams]),
    )


def crossed(
    exams: Sequence[Exam], fold: Callable[[Exam], Hashable], manifest: Manifest, about: About
) -> Callable[[Exam], Floats]:
    """(N,) probabilities of an exam's findings, by what was fitted on the exams of all folds but its own.

    Raises ModelError as `fit` does.
    """
    by = {
        one: fit([exam for exam in exams if fold(exam) != one], manifest, about)
        for one in {fold(exam) for exam in exams}
    }
    return lambda exam: by[fold(exam)].of(exam.scores, exam.per_litre)


def _most_likely(facts: Floats, wanted: Floats) -> tuple[float, float, float]:
    """Intercept and slopes of least cross-entropy; the slopes are not negative."""

    def loss(at: Floats) -> tuple[float, Floats]:
        log_odds = at[0] + facts @ at[1:]
        entropy = np.logaddexp(0, log_odds) - wanted * log_odds
        off = (1 / (1 + np.exp(-log_odds)) - wanted) / len(wanted)
        return float(entropy.mean()), np.concatenate([[off.sum()], off @ facts])

    found = minimize(loss, np.asarray(_START), jac=True, bounds=_BOUNDS, method="L-BFGS-B")
    intercept, by_score, by_density = (float(value) for value in found.x)
    return intercept, by_score, by_density


def _range(values: Sequence[float] | Floats) -> tuple[float, float]:
    """What the middle 99 % lie within, rounded outwards to a tenth: a single one says nothing of its like."""
    low, high = np.percentile(values, _MIDDLE)
    return float(np.floor(10 * low + _EXACT) / 10), float(np.ceil(10 * high - _EXACT) / 10)
