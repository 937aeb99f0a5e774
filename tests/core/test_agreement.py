"""The rule that two readers disagree: silent where both are what they are, loud where one fails."""

from __future__ import annotations

import numpy as np
import pytest

from millet.core.agreement import Counts, disagreement, small

MEASURED = [
    pytest.param(0, 1, 3.68, id="LIDC-IDRI-0001"),
    pytest.param(3, 8, 5.79, id="LIDC-IDRI-0003"),
    pytest.param(0, 3, 5.22, id="LIDC-IDRI-0028"),
    pytest.param(0, 7, 4.61, id="LIDC-IDRI-0295"),
    pytest.param(0, 0, 4.48, id="LIDC-IDRI-0306"),
    pytest.param(0, 2, 1.26, id="lungfcp"),
    pytest.param(0, 7, 4.43, id="negative phantom"),
    pytest.param(220, 204, 4.25, id="case phantom"),
    pytest.param(500, 320, 4.48, id="miliary phantom, 1.5 to 5 mm"),
]
"""True small opacities (none counted where readers marked none), what the second reader was measured to
count on its grid of 1 mm, litres."""


@pytest.mark.parametrize(("true", "second", "lungs_l"), MEASURED)
def test_a_good_count_is_not_doubted(true, second, lungs_l):
    """A model that finds what is there, a tenth of it missed or as many again false, is believed."""
    for reported in (true, round(0.9 * true), round(1.1 * true) + 3):
        assert disagreement(Counts(reported=reported, second=second, lungs_l=lungs_l)) == ""


@pytest.mark.parametrize(
    ("reported", "second"), [(18, 204), (0, 320), (0, 204), (60, 204), (18, 150)], ids=str
)
def test_a_model_that_lost_most_nodules_is_doubted(reported, second):
    """18 of 220, nothing on a miliary scan, a quarter of them: the second reader's count tells."""
    said = disagreement(Counts(reported=reported, second=second, lungs_l=4.3))
    assert "more may be there" in said
    assert f"{reported} small opacities" in said
    assert f"{second} by" in said


@pytest.mark.parametrize(("reported", "second"), [(500, 7), (90, 0), (1500, 204)], ids=str)
def test_a_flood_of_findings_is_doubted(reported, second):
    """Hundreds of findings that the second reader sees nothing of are confirmed by nothing."""
    assert "confirmed by nothing" in disagreement(Counts(reported=reported, second=second, lungs_l=4.4))


def test_any_thinning_by_half_of_a_miliary_scan_is_noticed_and_chance_is_not():
    """Of 220 a model that keeps a third is always doubted; one that keeps nine of ten never is."""
    rng = np.random.default_rng(5)
    for keep, doubted in ((1 / 3, True), (0.9, False)):
        for _ in range(300):
            reported, second = int(rng.binomial(220, keep)), int(rng.binomial(220, 0.9) + rng.poisson(7))
            assert bool(disagreement(Counts(reported=reported, second=second, lungs_l=4.25))) is doubted


def test_a_second_reader_of_pure_false_findings_proves_nothing():
    """Where nothing is there, its own false findings at twice the rate that was measured are no doubt."""
    rng = np.random.default_rng(6)
    false = rng.poisson(1.6 * 4.5, 2000)
    assert not any(disagreement(Counts(reported=0, second=int(n), lungs_l=4.5)) for n in false)


def test_masses_are_not_compared():
    """Only opacities under 8 mm count."""
    assert small([1.5, 7.9, 8.0, 41.5]) == 2
