"""A calibration, for the tests of all that tells probabilities."""

from __future__ import annotations

from millet.core.calibration import Calibration

FITTED = Calibration(
    version="1",
    fitted_with="ab" * 32,
    fitted_on="a test",
    prevalence="one in two",
    intercept=-4.0,
    by_score=2.3,
    by_density=1.2,
    per_litre=(0.2, 50.0),
    diameter_mm=(1.7, 10.0),
    slice_mm=(1.0, 2.5),
)
