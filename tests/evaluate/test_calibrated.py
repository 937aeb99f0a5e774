from __future__ import annotations

import numpy as np
import pytest

from millet.evaluate.calibrated import BINS, calibrated
from millet.evaluate.calibrating import Exam


def exam(nodule, subject="one"):
    """An exam whose scores are told as its probabilities."""
    nodule = np.asarray(nodule, bool)
    return Exam(
        subject=subject,
        scores=np.linspace(0.05, 0.95, len(nodule)),
        diameters_mm=np.full(len(nodule), 3.0),
        nodule=nodule,
        per_litre=1.0,
        slice_mm=1.0,
    )


def test_figures_of_a_table_made_by_hand():
    """Four findings told .05, .35, .65 and .95, of which the last two are nodules."""
    found = calibrated([exam([0, 0, 1, 1])], lambda one: one.scores)
    assert found.brier.value == pytest.approx((0.05**2 + 0.35**2) / 2)
    assert found.error.value == pytest.approx((0.05 + 0.35) / 2)
    assert found.brier_of_share.value == 0.25
    assert (found.told.value, found.seen.value) == (pytest.approx(0.5), 0.5)
    assert [one.n for one in found.bins] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert (found.bins[9].told, found.bins[9].seen) == (pytest.approx(0.95), 1.0)
    assert (found.bins[1].told, found.bins[1].seen) == (None, None)


def test_errors_of_one_bin_cancel_and_of_two_do_not():
    """.8 told of ten of which eight are nodules is right; .6 and 1 told of them is not."""
    right = calibrated([exam([1] * 8 + [0] * 2)], lambda one: np.full(len(one.nodule), 0.8))
    assert right.error.value == pytest.approx(0.0)
    wrong = calibrated([exam([1] * 8 + [0] * 2)], lambda _one: np.asarray([0.6, 1.0] * 5))
    assert wrong.error.value == pytest.approx(0.2)


def test_certainty_falls_into_the_last_bin():
    """1 belongs to .9 to 1."""
    found = calibrated([exam([1, 1])], lambda one: np.ones(len(one.nodule)))
    assert found.bins[BINS - 1].n == 2


def test_subjects_are_drawn_not_findings():
    """Copies of one subject's findings make no interval narrower; one subject alone makes none."""
    some = [exam([0, 1, 0, 1], "one"), exam([1, 1, 1, 1], "two"), exam([0, 0, 1, 1], "three")]
    once = calibrated(some, lambda one: one.scores)
    often = calibrated(some * 5, lambda one: one.scores)
    assert (often.error.low, often.error.high) == pytest.approx((once.error.low, once.error.high))
    assert often.error.cases == 3
    assert calibrated(some[:1] * 5, lambda one: one.scores).error.low is None


def test_of_nothing_there_is_no_figure():
    """No finding, no value and n = 0."""
    found = calibrated([exam([])], lambda one: one.scores)
    assert (found.brier.value, found.error.value, found.error.n) == (None, None, 0)
    assert all(one.seen is None for one in found.bins)
