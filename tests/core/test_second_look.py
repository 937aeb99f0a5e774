from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chests import ball, grid

from millet.core.second_look import shows
from millet.core.volume import Volume

ON = grid(shape=(40, 60, 60), spacing=(1.0, 0.7, 0.7), origin=(0.0, 0.0, 0.0))
HERE = (20.0, 20.0, 20.0)


def volume(diameter_mm, noise_hu=40.0):
    """Lung with noise, and one solid ball in it (or none), with the share of each voxel that it fills."""
    fine = grid(shape=(160, 240, 240), spacing=(0.25, 0.175, 0.175), origin=(-0.26, -0.26, -0.375))
    share = (
        ball(fine, HERE, diameter_mm).reshape(40, 4, 60, 4, 60, 4).mean(axis=(1, 3, 5)) if diameter_mm else 0
    )
    noise = np.random.default_rng(1).normal(0, noise_hu, ON.shape)
    return Volume(hu=(-860 + 880 * share + noise).astype(np.float32), grid=ON)


def looked(made, place, wide=3.0, slack=1.0):
    """Whether something shows at one place."""
    return bool(shows(made, np.asarray([place]), np.asarray([wide]), np.asarray([slack]))[0])


@pytest.mark.parametrize("diameter_mm", [2.0, 3.0, 6.0])
def test_what_is_there_shows(diameter_mm):
    """Also a nodule that shrank, a millimetre from where it is expected."""
    assert looked(volume(diameter_mm), HERE, wide=6.0)
    assert looked(volume(diameter_mm), (20.6, 20.5, 20.6))


def test_noise_shows_nothing():
    """Of 200 empty places at most a few."""
    places = np.random.default_rng(2).uniform(8, 32, (200, 3))
    slack = np.full(200, 1.0)
    assert shows(volume(0), places, np.full(200, 3.0), slack).mean() < 0.02


def test_what_lies_elsewhere_is_something_else():
    """Five millimetres away, unless the place is known no better."""
    made = volume(3.0)
    assert not looked(made, (20.0, 25.0, 20.0))
    assert looked(made, (20.0, 23.5, 20.0), slack=4.0)


def test_a_vessel_that_passes_is_none():
    """A tube as wide as the nodule, through its place."""
    made = volume(0)
    y, x = (ON.spacing_mm[1] * np.arange(60) - 20.0)[:, None], (ON.spacing_mm[2] * np.arange(60) - 20.0)[None]
    tube = np.clip(1.5 - np.hypot(x, y) + 0.5, 0, 1)
    lit = replace(made, hu=(made.hu + 880 * tube).astype(np.float32))
    assert not looked(lit, HERE)
    assert not looked(lit, (20.8, 20.0, 12.0))


def test_places_outside_the_volume_are_no_error():
    """A registered place may lie beyond the last slice."""
    assert not looked(volume(0), (500.0, 20.0, -80.0))
