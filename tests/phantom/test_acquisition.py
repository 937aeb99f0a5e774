from __future__ import annotations

import numpy as np
import pytest

from millet.phantom import acquisition
from millet.phantom.spec import Scan

SHAPE = (8, 128, 128)
SOFT, SHARP = Scan(fwhm_mm=1.4), Scan(fwhm_mm=0.8, edge=1.5)


def mean_frequency(noise, pixel_mm):
    """The middle of the noise power spectrum along rows, in 1/mm."""
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(axis=(0, 1))
    return float((power * np.fft.rfftfreq(noise.shape[2], pixel_mm)).sum() / power.sum())


@pytest.mark.parametrize("scan", [SOFT, SHARP, Scan(slice_mm=2.0, interval_mm=0.8)], ids=str)
def test_noise_has_unit_spread(scan):
    """Whatever the kernel, its size is set by the protocol alone; its mean is zero."""
    noise = acquisition.noise(scan, SHAPE, 1)
    assert noise.shape == SHAPE
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert abs(noise.mean()) < 0.02


def test_a_sharp_kernel_has_finer_noise():
    """Its power lies at higher frequencies than a soft kernel's, and white noise's higher still."""
    soft, sharp = (mean_frequency(acquisition.noise(scan, SHAPE, 1), 0.7) for scan in (SOFT, SHARP))
    white = mean_frequency(np.random.default_rng(0).normal(size=SHAPE), 0.7)
    assert 1.3 * soft < sharp < white


@pytest.mark.parametrize(
    ("interval_mm", "least", "most"), [(None, 0.2, 0.45), (1.0, 0.55, 0.85), (0.5, 0.8, 0.95)]
)
def test_overlapping_slices_share_noise(interval_mm, least, most):
    """Neighbouring slices are the more alike the more they overlap."""
    noise = acquisition.noise(Scan(slice_mm=2.0, interval_mm=interval_mm), SHAPE, 1)
    assert least < np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1] < most


def test_a_sharp_kernel_overshoots_at_edges_and_nowhere_else():
    """Beside an edge HU go beyond both sides; away from it, and with a soft kernel, nothing changes."""
    slices = np.full((1, 40, 40), -850, np.float32)
    slices[..., 20:] = 50
    sharp = acquisition.sharpened(SHARP, slices)
    assert sharp.max() > 150
    assert sharp.min() < -950
    assert np.allclose(sharp[..., :12], -850, atol=1)
    assert acquisition.sharpened(SOFT, slices) is slices


@pytest.mark.parametrize("interval_mm", [None, 1.25, 0.9])
def test_slices_are_the_middle_of_their_planes(interval_mm):
    """The planes that are averaged into a slice lie evenly about its place, overlapping or not."""
    scan = Scan(slice_mm=2.5, interval_mm=interval_mm)
    whole = acquisition.grid(scan, 0.4)
    fine = acquisition.fine_grid(scan, whole)
    assert whole.spacing_mm[0] == scan.step_mm
    assert fine.spacing_mm[0] <= 1.0
    assert fine.shape[0] == (whole.shape[0] - 1) * scan.planes_a_step + scan.sub_slices
    z_mm = fine.origin_mm.z + fine.spacing_mm[0] * np.arange(fine.shape[0])
    for k in (0, 7, whole.shape[0] - 1):
        own = z_mm[k * scan.planes_a_step :][: scan.sub_slices]
        assert own.mean() == pytest.approx(whole.origin_mm.z + k * scan.step_mm)
        assert sum(scan.profile) * fine.spacing_mm[0] == pytest.approx(2.5)
