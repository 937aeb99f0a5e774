from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from masks import places_in, two_lungs
from scipy.stats import binom

from millet.core.ground import ground
from millet.core.randomness import FEWEST, RADII_MM, SIMULATIONS, randomness

EXAMS = 60
lungs = cache(two_lungs)


def judged(centres, diameter_mm=3.0):
    """The tests of nodules of one size."""
    diameters = np.full(len(centres), diameter_mm)
    return randomness(ground(lungs(), centres, diameters), centres, diameters)


def apart(centres, gap_mm):
    """Those that keep so far from all before them."""
    far = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    kept: list[int] = []
    for k in range(len(centres)):
        if not kept or far[k, kept].min() > gap_mm:
            kept.append(k)
    return centres[kept]


def clusters(count, each, wide_mm, rng):
    """A Thomas process."""
    parents = places_in(lungs(), count // each, rng)
    near = np.repeat(parents, each, axis=0) + rng.normal(0, wide_mm, (count // each * each, 3))
    return apart(near[lungs().at(near) > 0], 3.5)


@pytest.fixture(scope="module")
def random_exams():
    """Tests of exams whose nodules, 30 to 200 in number, only cannot overlap."""
    rng = np.random.default_rng(1)
    counts = np.exp(rng.uniform(np.log(30), np.log(200), EXAMS)).astype(int)
    return [judged(apart(places_in(lungs(), count, rng), 3.5)) for count in counts]


def test_random_exams_are_rejected_at_the_stated_rate(random_exams):
    """Each test rejects about 5 % of them, and half at half; the ratio is 1 in the mean."""
    for values in ([t.clark_evans_p for t in random_exams], [t.ripley_p for t in random_exams]):
        assert np.mean(np.asarray(values) <= 0.05) <= binom.ppf(0.999, EXAMS, 0.05) / EXAMS
        assert 0.3 < np.mean(np.asarray(values) <= 0.5) < 0.7
    assert np.mean([t.clark_evans for t in random_exams]) == pytest.approx(1.0, abs=0.02)


def test_clusters_are_told_from_random():
    """Thomas clusters of six within about 8 mm are rejected by both tests, nearly always."""
    rng = np.random.default_rng(2)
    tests = [judged(clusters(120, 6, 8.0, rng)) for _ in range(10)]
    assert all(t.clark_evans < 0.9 for t in tests)
    assert sum(t.clark_evans_p <= 0.05 for t in tests) >= 9
    assert sum(t.ripley_p <= 0.05 for t in tests) >= 9
    near = next(one for one in tests[0].ripley if one.radius_mm == 12.0)
    assert near.observed_mm > near.high_mm


def test_a_grid_is_regular():
    """Nodules that keep apart have neighbours farther off than chance."""
    lattice = np.stack(np.meshgrid(*[np.arange(-120, 120, 18.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = judged(lattice[lungs().at(lattice) > 0])
    assert found.clark_evans > 1.3
    assert max(found.clark_evans_p, found.ripley_p) <= 0.01


def test_nodules_that_cannot_overlap_are_not_called_regular():
    """A hard core as wide as the nodules is no departure from chance, though it moves the mean by a tenth."""
    rng = np.random.default_rng(3)
    crowds = [apart(places_in(lungs(), 260, rng), 9.5) for _ in range(6)]
    assert np.mean([judged(crowd, 8.5).clark_evans for crowd in crowds]) == pytest.approx(1.0, abs=0.05)
    assert np.mean([judged(crowd, 0.0).clark_evans for crowd in crowds]) > 1.1


def test_an_envelope_is_its_test(random_exams):
    """The observed curve leaves the envelope at some radius where p is at most 5 %, and only there."""
    clustered = [judged(clusters(90, 3, 10.0, np.random.default_rng(seed))) for seed in range(4)]
    for found in (*random_exams, *clustered):
        out = any(not one.low_mm - 1e-3 <= one.observed_mm <= one.high_mm + 1e-3 for one in found.ripley)
        assert out == (found.ripley_p <= 0.05)
        assert {one.radius_mm for one in found.ripley} <= set(RADII_MM)
        assert found.simulations == SIMULATIONS


def test_the_same_exam_gives_the_same_figures_and_few_nodules_none():
    """Draws are seeded; below the least number, and where all touch, nothing is said."""
    centres = places_in(lungs(), FEWEST, np.random.default_rng(4))
    assert judged(centres) == judged(centres)
    assert judged(centres[1:]) is None
    assert (
        judged(np.zeros((FEWEST, 3)) + lungs().grid.to_patient_array(np.asarray([[40.0, 38.0, 30.0]])))
        is None
    )


def test_a_rim_that_is_spared_is_no_clustering():
    """A mask that is a voxel too wide shows an empty rim; many nodules within it are still random."""
    rng = np.random.default_rng(5)
    wide = places_in(lungs(), 2000, rng)
    rim = ground(lungs(), wide, np.full(len(wide), 1.0)).depths(wide) < 2.0
    found = judged(wide[~rim][:1000], 1.0)
    assert found.clark_evans == pytest.approx(1.0, abs=0.03)
    assert found.ripley_p > 0.05
