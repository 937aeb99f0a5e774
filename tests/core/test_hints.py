from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from millet.core.hints import Features, hints
from millet.core.spread import Distribution, Hint

UNIFORM = Features(
    distribution=Distribution.RANDOM,
    median_mm=3.0,
    cv=0.1,
    cranio_caudal_slope=0.0,
    dominant=False,
    calcified_share=0.0,
    glass_share=0.0,
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (Hint.MILIARY_TUBERCULOSIS, Hint.HAEMATOGENOUS_METASTASES, Hint.FUNGAL)),
        ({"dominant": True}, (Hint.HAEMATOGENOUS_METASTASES,)),
        ({"cv": 0.6}, (Hint.HAEMATOGENOUS_METASTASES,)),
        ({"cranio_caudal_slope": 1.5}, (Hint.HAEMATOGENOUS_METASTASES, Hint.FUNGAL)),
        (
            {"calcified_share": 0.5},
            (Hint.FUNGAL, Hint.MILIARY_TUBERCULOSIS, Hint.HAEMATOGENOUS_METASTASES),
        ),
        ({"distribution": Distribution.PERILYMPHATIC}, (Hint.SARCOIDOSIS,)),
        (
            {"distribution": Distribution.PERILYMPHATIC, "cranio_caudal_slope": -1.5},
            (Hint.SARCOIDOSIS, Hint.SILICOSIS),
        ),
        (
            {"distribution": Distribution.MIXED, "cranio_caudal_slope": -1.5, "calcified_share": 0.3},
            (Hint.SILICOSIS, Hint.SARCOIDOSIS),
        ),
        (
            {"distribution": Distribution.CENTRILOBULAR, "glass_share": 0.9},
            (Hint.HYPERSENSITIVITY_PNEUMONITIS, Hint.AIRWAYS_DISEASE),
        ),
        ({"distribution": Distribution.CENTRILOBULAR}, (Hint.AIRWAYS_DISEASE,)),
        ({"distribution": Distribution.UNDETERMINED}, ()),
    ],
    ids=[
        "uniform", "dominant", "varied", "basal", "calcified", "on walls", "on walls, upper",
        "mixed, upper, calcified", "ground glass", "airways", "undetermined",
    ],
)  # fmt: skip
def test_a_pattern_has_the_hints_of_its_rules(changed, expected):
    """The better fit first."""
    assert hints(replace(UNIFORM, **changed), 2) == expected


def test_there_are_no_hints_at_level_0():
    """Whatever the features."""
    for where, median, cv, slope, dominant, share in product(
        Distribution, (2.0, 8.0), (0.1, 0.8), (-2.0, 0.0, 2.0), (True, False), (0.0, 0.9)
    ):
        features = Features(
            distribution=where,
            median_mm=median,
            cv=cv,
            cranio_caudal_slope=slope,
            dominant=dominant,
            calcified_share=share,
            glass_share=share,
        )
        assert hints(features, 0) == ()
        assert len(set(hints(features, 1))) == len(hints(features, 1))
