"""Physics: the published table of detectabilities, and noise that is known."""

from __future__ import annotations

from dataclasses import replace

import chests
import numpy as np
import pytest
from scipy import ndimage

from millet.core import detectability as detectability_module
from millet.core.detectability import (
    SOLID_CONTRAST_HU,
    Resolution,
    detectability,
    noise_hu,
)
from millet.core.lungs import LungMask, lungs

DIAMETERS_MM = (1.5, 2.0, 2.5, 3.0, 4.0)
SOLID, GLASS = SOLID_CONTRAST_HU, 250.0
TABLE = [
    (1.0, SOLID, 60.0, (13.7, 28, 42, 61, 101)),
    (1.25, SOLID, 60.0, (9.5, 20, 35, 49, 85)),
    (1.25, GLASS, 30.0, (5.4, 11, 20, 28, 48)),
    (1.25, GLASS, 60.0, (2.7, 5.7, 9.8, 14, 24)),
    (2.5, SOLID, 60.0, (4.6, 10, 17, 27, 52)),
    (2.5, GLASS, 60.0, (1.3, 2.9, 4.9, 7.6, 15)),
    (5.0, SOLID, 60.0, (2.1, 4.7, 8.1, 13, 25)),
    (5.0, GLASS, 60.0, (0.6, 1.3, 2.3, 3.6, 7.1)),
]
"""Measured once with a matched filter on drawn balls in white noise, pixels of 0.7 to 0.75 mm."""
GRID = chests.grid(shape=(40, 290, 380), spacing=(2.0, 0.8, 0.8), origin=(-152.0, -116.0, -40.0))


@pytest.mark.parametrize(("slice_mm", "contrast_hu", "noise", "expected"), TABLE)
def test_the_table_of_detectabilities_comes_out(slice_mm, contrast_hu, noise, expected):
    """Slice, contrast, noise and size act on d' as in the table, within 15 %."""
    seen_at = Resolution(pixel_mm=0.72, slice_mm=slice_mm, fwhm_mm=1.2)
    found = [detectability(d, contrast_hu, noise, seen_at) for d in DIAMETERS_MM]
    assert found == pytest.approx(expected, rel=0.15)


def test_a_drawn_ball_has_the_d_of_the_formula():
    """The summed squares of a ball drawn on voxels, blurred and averaged into slices, are the formula's."""
    fine, diameter, fwhm, pixel, slice_mm = 0.1, 3.0, 1.2, 0.7, 2.5
    axis = (np.arange(100) - 49.5) * fine
    far = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    sigma = fwhm / 2.355 / fine
    ball = ndimage.gaussian_filter((far <= diameter / 2).astype(float), [0, sigma, sigma])
    slices = ball.reshape(4, 25, 100, 100).mean(axis=1)
    drawn = float((slices**2).sum()) * fine**2 / pixel**2
    seen_at = Resolution(pixel_mm=pixel, slice_mm=slice_mm, fwhm_mm=fwhm)
    assert detectability(diameter, 100.0, 10.0, seen_at) == pytest.approx(10 * drawn**0.5, rel=0.03)


@pytest.fixture(scope="module")
def chest() -> tuple[np.ndarray, LungMask]:
    """HU of a chest with vessels of 4 mm in a tenth of its lungs, and its mask."""
    hu = chests.hu(GRID)
    threads = ndimage.gaussian_filter1d(np.random.default_rng(4).standard_normal(GRID.shape), 8, axis=0)
    threads = ndimage.gaussian_filter(threads, [0, 2.5, 2.5])
    hu[(hu == -850) & (threads > np.quantile(threads, 0.95))] = 0
    return hu, lungs(chests.volume(GRID, hu))


@pytest.mark.parametrize("noise", [20.0, 40.0, 60.0])
@pytest.mark.parametrize("correlated_mm", [0.0, 0.7], ids=["white", "correlated"])
def test_known_noise_is_measured(noise, correlated_mm, chest):
    """White noise, and noise whose neighbours go together, are measured within 15 % beside vessels."""
    hu, mask = chest
    field = np.random.default_rng(8).standard_normal(GRID.shape)
    field = ndimage.gaussian_filter(field, [0, correlated_mm / 0.8, correlated_mm / 0.8])
    clean = chests.volume(GRID, hu)
    volume = replace(clean, hu=(clean.hu + noise * field / field.std()).astype(np.float32))
    assert noise_hu(volume, mask) == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("step", [1.0, 0.3], ids=["whole HU", "fractions"])
def test_the_spread_is_the_median_distance_from_the_median(step):
    """Whether values are counted or ordered, and for odd and even numbers of them."""
    for count in (1, 2, 7, 5000, 5001):
        values = np.rint(np.random.default_rng(count).normal(3, 40, count)) * step
        expected = float(np.median(np.abs(values - np.median(values))))
        assert detectability_module._spread(values) == expected


def test_a_scan_without_lung_has_no_noise_to_measure(chest):
    """No guess is made."""
    hu, mask = chest
    empty = replace(mask, label=np.zeros_like(mask.label))
    assert noise_hu(chests.volume(GRID, hu), empty) is None
