"""Chests of the second simulator that several tests look at, made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from millet.phantom.second import anatomy, presets, vessels
from millet.phantom.spec import PRESETS, Scan

SCALE = 0.4
SCAN = Scan(pixel_mm=1.0, slice_mm=1.5, noise_hu=30.0, fwhm_mm=1.2)


@pytest.fixture(scope="session")
def miliary():
    """A miliary chest at two fifths of its size."""
    return presets.make("miliary", nodules=60, seed=3, scale=SCALE, scan=SCAN)


@pytest.fixture(scope="session")
def without():
    """The same chest and the same noise without its nodules."""
    alone = replace(PRESETS["miliary"], nodules=60, keep=0)
    return presets.make(alone, seed=3, scale=SCALE, scan=SCAN)


@pytest.fixture(scope="session")
def quiet():
    """The same chest without nodules and noise."""
    return presets.make("negative", seed=3, scale=SCALE, scan=replace(SCAN, noise_hu=0.0))


@pytest.fixture(scope="session")
def chest():
    """A chest of half its size on a coarse grid."""
    grid, _ = anatomy.coarse_grid(0.7, 256, 0.5)
    return anatomy.chest(grid, 0.5, np.random.default_rng(1), effusion=False)


@pytest.fixture(scope="session")
def trees(chest):
    """Its airways and vessels."""
    return vessels.vessels(chest, np.random.default_rng(2))
