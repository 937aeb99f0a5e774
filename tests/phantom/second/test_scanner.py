from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from millet.phantom.second import scanner
from millet.phantom.second.scanner import Scanner
from millet.phantom.spec import Scan

SIZE = 256
SCAN = Scan(pixel_mm=1.4, slice_mm=1.0, noise_hu=40.0, fwhm_mm=1.6)
Y, X = (np.indices((SIZE, SIZE)) - SIZE / 2) * 1.4
BODY = np.where((X / 150) ** 2 + (Y / 100) ** 2 < 1, 0.0, -1000.0).astype(np.float32)
MIDDLE = (slice(108, 148), slice(108, 148))


def noise(scan=SCAN, count=6, hu=BODY):
    """The noise of some neighbouring slices."""
    noisy = Scanner.of(scan, SIZE, 5, hu)
    quiet = Scanner.of(replace(scan, noise_hu=0.0), SIZE, 5, hu)
    return np.stack([noisy.expose(hu, k).astype(float) - quiet.expose(hu, k) for k in range(count)])


@pytest.mark.parametrize("noise_hu", [20.0, 60.0])
@pytest.mark.parametrize("edge", [0.0, 1.5])
def test_noise_is_as_asked_in_the_middle(noise_hu, edge):
    """The standard deviation in a uniform region in the middle is the one asked for."""
    found = noise(replace(SCAN, noise_hu=noise_hu, edge=edge))
    assert found[:, *MIDDLE].std() == pytest.approx(noise_hu, rel=0.08)


def test_noise_is_not_white():
    """Its spectrum rises from zero, peaks at middle frequencies and falls off, as of a filtered ramp."""
    patches = noise(count=12)[:, 96:160, 96:160]
    power = (np.abs(np.fft.fft2(patches - patches.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    low, mid, high = (power[(f > a) & (f < b)].mean() for a, b in ((0.0, 0.05), (0.15, 0.25), (0.45, 0.5)))
    assert mid > 2 * low
    assert mid > 2 * high


def test_a_sharp_kernel_makes_finer_noise_and_overshoots():
    """Edge enhancement lifts the transfer above 1 and leaves uniform parts alone."""
    soft, sharp = (scanner.transfer(replace(SCAN, pixel_mm=0.6, fwhm_mm=0.9, edge=e), SIZE) for e in (0, 1.5))
    assert soft[0, 0] == sharp[0, 0] == 1.0
    assert soft.max() == 1.0
    assert sharp.max() > 1.2


def test_a_wide_body_is_noisier_in_the_middle_and_streaked_across():
    """Noise is larger inside than at the rim, and its frequencies run across the long rays."""
    found = noise(count=12)
    rim = (slice(100, 156), slice(18, 34))
    assert found[:, *MIDDLE].std() > 1.3 * found[:, *rim].std()
    patches = found[:, 96:160, 96:160]
    power = (np.abs(np.fft.fft2(patches)) ** 2).mean(axis=0)
    along_y, along_x = power[5:20, :3].mean(), power[:3, 5:20].mean()
    assert along_y > 1.5 * along_x


def test_shoulders_are_noisier():
    """A slice through more tissue has more noise with the same scanner."""
    wide = np.where((X / 175) ** 2 + (Y / 115) ** 2 < 1, 100.0, -1000.0).astype(np.float32)
    machine = Scanner.of(SCAN, SIZE, 5, BODY)
    still = Scanner.of(replace(SCAN, noise_hu=0.0), SIZE, 5, BODY)
    spread = [
        (machine.expose(hu, 0).astype(float) - still.expose(hu, 0))[MIDDLE].std() for hu in (BODY, wide)
    ]
    assert spread[1] > 1.2 * spread[0]


@pytest.mark.parametrize(("interval_mm", "low", "high"), [(None, 0.2, 0.6), (0.5, 0.6, 0.9)])
def test_neighbouring_slices_share_noise(interval_mm, low, high):
    """Slices that touch share a little noise, overlapping ones more, distant ones none."""
    found = noise(replace(SCAN, interval_mm=interval_mm), count=8)[:, *MIDDLE].reshape(8, -1)
    near = np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairwise(found)])
    assert low < near < high
    assert abs(np.corrcoef(found[0], found[7])[0, 1]) < 0.1


def test_the_drawing_blur_is_made_up_for():
    """A point seen through drawing and filter has the kernel's own width."""
    scan = Scan(pixel_mm=0.7, fwhm_mm=1.4, noise_hu=0.0)
    line = np.full((SIZE, SIZE), -1000.0, np.float32)
    line[128, 128] = 99_000.0
    hat = scanner.filter_of(scan, SIZE) / scanner.transfer(scan, SIZE)
    spread = np.fft.irfft2(np.fft.rfft2(line + 1000) * scanner.filter_of(scan, SIZE) / hat, s=(SIZE, SIZE))
    profile = spread[128] / spread[128].max()
    wide = 0.7 * np.interp(0.5, profile[128:134][::-1], np.arange(128, 134)[::-1] - 128.0) * 2
    assert wide == pytest.approx(1.4, rel=0.05)
    assert hat.min() >= 1.0


@pytest.mark.parametrize(
    ("scan", "planes"),
    [
        (Scan(slice_mm=1.0), 300),
        (Scan(slice_mm=0.6), 500),
        (Scan(slice_mm=2.5), 360),
        (Scan(slice_mm=2.0, interval_mm=1.0), 302),
        (Scan(slice_mm=5.0, interval_mm=2.5), 364),
    ],
    ids=["1", "0.6", "2.5", "overlapping", "thick"],
)
def test_slices_lie_in_the_middle_of_their_planes(scan, planes):
    """Thin planes are at most 1 mm apart, and their mean place is the slice's."""
    whole = scanner.grid(scan, 1.0)
    thin = scanner.plane_grid(scan, whole)
    assert whole.spacing_mm[0] == scan.step_mm
    assert thin.spacing_mm[0] <= 1.0
    assert thin.shape[0] == planes
    weights = scanner.profile(scan)
    at = 3 * scanner.planes_a_step(scan) + np.arange(len(weights))
    place = thin.origin_mm.z + thin.spacing_mm[0] * at
    assert weights @ place == pytest.approx(whole.origin_mm.z + 3 * scan.step_mm)
    assert 1 / weights.max() * thin.spacing_mm[0] == pytest.approx(scan.slice_mm)


def test_a_full_size_scan_has_the_matrix_of_a_ct():
    """512 x 512 pixels of 0.7 mm and 300 slices of 1 mm."""
    assert scanner.grid(Scan(), 1.0).shape == (300, 512, 512)
