from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibrations import FITTED
from hypothesis import given
from hypothesis import strategies as st

from millet.core.calibration import LEAST, Sample, told

SAMPLE = Sample(scores=[0.9, 0.7, 0.5], diameters_mm=[3.0, 9.9, 2.0], lungs_l=4.0, slice_mm=1.25)
scores = st.floats(0, 1)
densities = st.floats(1e-3, 1e4)
fits = st.builds(
    lambda intercept, by_score, by_density: replace(
        FITTED, intercept=intercept, by_score=by_score, by_density=by_density
    ),
    st.floats(-20, 20),
    st.floats(0, 10),
    st.floats(0, 10),
)


@given(fits, st.lists(scores, min_size=1, max_size=20), densities)
def test_probabilities_rise_with_the_score_and_are_never_certain(fitted, some, per_litre):
    """Whatever was fitted: in order of score, between 0.1 and 99.9 percent."""
    found = fitted.of(np.sort(some), per_litre)
    assert (np.diff(found) >= 0).all()
    assert found.min() >= LEAST
    assert found.max() <= 1 - LEAST


@given(fits, scores, densities, densities)
def test_the_more_an_exam_holds_the_surer_is_each(fitted, score, one, other):
    """Beyond the densities that were fitted, no more and no less than at their end."""
    low, high = (fitted.of(np.asarray([score]), d)[0] for d in sorted((one, other)))
    assert low <= high
    assert fitted.of(np.asarray([score]), 1e6)[0] == fitted.of(np.asarray([score]), 50.0)[0]


def test_the_log_odds_are_a_sum():
    """Of the intercept, the log odds of the score and the logarithm of the findings in a litre."""
    (found,) = FITTED.of(np.asarray([0.8]), 10.0)
    assert np.log(found / (1 - found)) == pytest.approx(-4.0 + 2.3 * np.log(4.0) + 1.2 * np.log(10.0))


def test_each_finding_has_its_probability_and_what_it_means():
    """By its score, among three findings in four litres; the words say that it is not cancer."""
    found = told(FITTED, SAMPLE)
    assert found.probabilities == tuple(FITTED.of(np.asarray(SAMPLE.scores), 0.75).tolist())
    assert found.not_assessed == ()
    assert found.by.startswith(
        "Probabilities are of being a nodule, not of cancer: calibration 1, fitted on a test"
    )
    assert "prevalence: one in two" in found.by


def test_a_score_is_never_told_as_a_probability():
    """A model without a calibration has none, and says so."""
    found = told(None, SAMPLE)
    assert (found.probabilities, found.by) == ((None, None, None), "")
    assert found.not_assessed == ("probability that a finding is a nodule (the model is not calibrated)",)


@pytest.mark.parametrize(("slice_mm", "held"), [(0.99, False), (1.0, True), (2.5000001, True), (2.51, False)])
def test_slices_that_it_was_not_fitted_on_have_none(slice_mm, held):
    """With the reason; a hair beyond the thickest is the thickest."""
    found = told(FITTED, replace(SAMPLE, slice_mm=slice_mm))
    assert all((value is not None) is held for value in found.probabilities)
    assert bool(found.by) is held
    assert any("calibrated on 1 to 2.5 mm" in words for words in found.not_assessed) is not held


def test_sizes_that_it_was_not_fitted_on_have_none():
    """The others have theirs, and count all."""
    found = told(FITTED, replace(SAMPLE, diameters_mm=[3.0, 10.1, 1.6]))
    assert found.probabilities == (told(FITTED, SAMPLE).probabilities[0], None, None)
    assert found.not_assessed == (
        "probability that a finding is a nodule (of less than 1.7 or more than 10 mm)",
    )
    assert told(FITTED, replace(SAMPLE, diameters_mm=[20.0] * 3)).by == ""


def test_where_nothing_was_found_nothing_is_said():
    """Neither a probability nor that one is missing, calibrated or not."""
    empty = Sample(scores=[], diameters_mm=[], lungs_l=4.0, slice_mm=5.0)
    for fitted in (None, FITTED):
        assert told(fitted, empty) == told(None, empty)
        assert told(fitted, empty).not_assessed == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"version": " "}, "version must be told"),
        ({"fitted_on": ""}, "fitted_on must be told"),
        ({"prevalence": ""}, "prevalence must be told"),
        ({"by_score": -0.1}, "by_score -0.1 must not be negative"),
        ({"by_density": -1.0}, "by_density -1.0 must not be negative"),
        ({"intercept": float("nan")}, "intercept nan is no number"),
        ({"by_score": float("inf")}, "by_score inf is no number"),
        ({"per_litre": (0.0, 5.0)}, "per_litre (0.0, 5.0) is no range"),
        ({"diameter_mm": (9.0, 2.0)}, "diameter_mm (9.0, 2.0) is no range"),
        ({"slice_mm": (1.0, float("inf"))}, "slice_mm (1.0, inf) is no range"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, words):
    """Each mistake with its field and value; a sound one has none."""
    assert any(words in mistake for mistake in replace(FITTED, **wrong).mistakes())
    assert list(FITTED.mistakes()) == []
