"""Phantoms that several tests look at, made once."""

from __future__ import annotations

import pytest

from millet.phantom import presets

SCALE = 0.4


@pytest.fixture(scope="session")
def small_case():
    """The case phantom at two fifths of its size, with 12 nodules."""
    return presets.make("case", nodules=12, seed=3, scale=SCALE)


@pytest.fixture(scope="session")
def small_quiet():
    """A chest without nodules and almost without noise."""
    return presets.make("negative", seed=3, scale=SCALE, scan=presets.Scan(noise_hu=0.0))
