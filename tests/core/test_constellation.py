from __future__ import annotations

import numpy as np
import pytest

from millet.core.constellation import shift

OFF = np.asarray([31.0, -22.0, 64.0])


def lists(count, seed=0, stay=0.7):
    """Nodules in a box as large as lungs, some of them elsewhere and a few mm off, some new ones."""
    rng = np.random.default_rng(seed)
    prior = rng.uniform((-120, -80, -120), (120, 80, 120), (count, 3))
    kept = prior[rng.uniform(size=count) < stay]
    new = rng.uniform((-120, -80, -120), (120, 80, 120), (max(count // 10, 1), 3))
    return prior, np.concatenate([kept + rng.normal(0, 2, kept.shape), new]) + OFF


@pytest.mark.parametrize("count", [5, 20, 200, 2000])
def test_the_shift_that_most_pairs_agree_on_is_found(count):
    """From five nodules to two thousand, in a frame of reference far off."""
    found = shift(*lists(count, stay=1.0 if count == 5 else 0.7))
    assert found is not None
    assert np.abs(found - OFF).max() < 4


@pytest.mark.parametrize(("prior", "current"), [(0, 5), (1, 1), (2, 2), (5, 0)])
def test_two_nodules_are_no_constellation(prior, current):
    """Nor is any list without enough that agree."""
    some = np.random.default_rng(1).uniform(-60, 60, (10, 3))
    assert shift(some[:prior], some[:current] + OFF) is None


def test_strangers_have_no_shift():
    """A few nodules of two patients."""
    one, other = lists(5)[0], lists(5, seed=9)[0]
    assert shift(one, other) is None
