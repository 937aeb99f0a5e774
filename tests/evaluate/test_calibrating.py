from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from millet.codec.tables import Mark
from millet.core.calibration import evidence
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate, NoduleClass
from millet.errors import ModelError
from millet.evaluate.calibrated import calibrated
from millet.evaluate.calibrating import About, Exam, crossed, fit
from millet.evaluate.case import Case, judge
from millet.train.log_card import manifest

MODEL = manifest("0" * 64, 13)
ABOUT = About(version="1", fitted_on="drawn exams", prevalence="as drawn")
LAW = np.asarray([-3.0, 2.0, 1.1])
"""Intercept, by score, by density."""


def drawn(count: int, seed: int, law=LAW) -> list[Exam]:
    """Exams of 1 to 200 findings in four litres, nodules by a known law."""
    rng = np.random.default_rng(seed)
    exams = []
    for number in range(count):
        findings = round(200 ** rng.uniform())
        scores = rng.uniform(0.5, 0.99, findings)
        log_odds = law[0] + evidence(scores, np.full(findings, findings / 4.0)) @ law[1:]
        exams.append(
            Exam(
                subject=str(number),
                scores=scores,
                diameters_mm=rng.uniform(2, 9, findings),
                nodule=rng.uniform(size=findings) < 1 / (1 + np.exp(-log_odds)),
                per_litre=findings / 4.0,
                slice_mm=float(rng.choice([1.0, 1.25, 2.5])),
            )
        )
    return exams


def test_a_known_law_is_found_again():
    """From 400 exams, and it holds on 200 others: an error under .02."""
    fitted = fit(drawn(400, 1), MODEL, ABOUT)
    assert (fitted.intercept, fitted.by_score, fitted.by_density) == pytest.approx(tuple(LAW), abs=0.25)
    assert (fitted.fitted_with, fitted.fitted_on) == (MODEL.finds_by, "drawn exams")
    assert list(fitted.mistakes()) == []
    held = calibrated(drawn(200, 2), lambda exam: fitted.of(exam.scores, exam.per_litre))
    assert held.error.value < 0.02
    assert held.brier.value < held.brier_of_share.value


def test_slopes_are_never_negative():
    """Where high scores were wrong, the score says nothing, rather than the opposite."""
    fitted = fit(drawn(200, 3, law=np.asarray([0.5, -2.0, 0.0])), MODEL, ABOUT)
    assert fitted.by_score == 0.0


def test_ranges_are_what_was_seen():
    """Slices, sizes and densities, rounded outwards to a tenth."""
    fitted = fit(drawn(300, 4), MODEL, ABOUT)
    assert fitted.slice_mm == (1.0, 2.5)
    assert fitted.diameter_mm == pytest.approx((2.0, 9.0), abs=0.11)


def test_too_few_are_not_calibrated():
    """Ten nodules and ten others at least, or a reason."""
    exams = [replace(exam, nodule=np.ones(len(exam.nodule), bool)) for exam in drawn(20, 5)]
    with pytest.raises(ModelError, match="and 0 false findings are too few to calibrate"):
        fit(exams, MODEL, ABOUT)
    with pytest.raises(ModelError, match="0 nodules and 0 false"):
        fit([], MODEL, ABOUT)


def test_no_exam_is_judged_by_a_fit_that_saw_it():
    """What is told of an exam does not change with its own truth."""
    exams = drawn(60, 6)
    lied = [replace(exams[0], nodule=~exams[0].nodule), *exams[1:]]
    first, second = (crossed(some, lambda e: int(e.subject) % 3, MODEL, ABOUT) for some in (exams, lied))
    assert np.array_equal(first(exams[0]), second(lied[0]))
    assert not np.array_equal(first(exams[1]), second(lied[1]))


def test_an_exam_is_taken_from_a_judged_case():
    """Hits are nodules, false ones are none; what only ignored marks explain is left out but counts."""

    def at(x_mm, score):
        return Candidate(centre_mm=PointMm(x_mm, 0, 0), diameter_mm=4.0, score=score)

    def mark(x_mm):
        return Mark(centre_mm=PointMm(x_mm, 0, 0), diameter_mm=4.0, nodule_class=NoduleClass.NODULE)

    case = Case(
        name="one",
        truth=(mark(0), mark(80)),
        found=(at(0, 0.9), at(20, 0.8), at(40, 0.7), at(60, 0.1)),
        ignored=(mark(40),),
    )
    exam = Exam.of(judge(case, lambda one: one.score > 0.5), "one", 2.0, 1.25)
    assert exam.scores.tolist() == [0.9, 0.8]
    assert exam.nodule.tolist() == [True, False]
    assert exam.per_litre == 1.5
