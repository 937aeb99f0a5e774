import lumps
import numpy as np
import pytest

from millet.core.interval import limits_mm3
from millet.core.levels import blur
from millet.core.traits import examined
from millet.core.voi import vois
from millet.phantom.spec import Scan


def seen(spheres, seed, scan=lumps.SCAN):
    """Volumes and their limits (N, 3) as one scan shows them, moved by a part of a voxel."""
    rng = np.random.default_rng([seed, 3])
    volume = lumps.lung(spheres, seed=seed, scan=scan, shift_mm=float(rng.uniform(0, 0.7)))
    blurred = blur(scan.fwhm_mm, scan.slice_mm, volume.grid.spacing_mm)
    found = np.zeros((len(spheres), 3))
    sizes = [s.diameter_mm * float(np.exp(rng.normal(0, 0.08))) for s in spheres]
    for some in vois(volume, [s.centre_mm for s in spheres], sizes):
        batch = examined(some, blurred)
        for k, (traits, size) in enumerate(zip(batch.traits, batch.volume_mm3, strict=True)):
            found[some.members[k]] = size, traits.volume_low_mm3, traits.volume_high_mm3
    return found


def test_a_repeated_scan_lies_in_the_interval_and_close():
    """More than 88 of 100 pairs within; all limits of agreement from 3 mm on within 20 %."""
    spheres = lumps.row("solid", np.geomspace(3.0, 8.0, 12).tolist(), apart_mm=16.0)
    scans = np.stack([seen(spheres, seed) for seed in range(8)])
    pairs = [(scans[k], scans[k + 1]) for k in range(7)]
    held = [(one[:, 1] <= other[:, 0]) & (other[:, 0] <= one[:, 2]) for one, other in pairs]
    assert np.mean(held) > 0.88
    apart = np.concatenate([2 * (b[:, 0] - a[:, 0]) / (a[:, 0] + b[:, 0]) for a, b in pairs])
    assert 1.96 * apart.std() < 0.2


def test_noise_widens_the_interval_and_size_narrows_it():
    """As shares of the volume."""
    spheres = lumps.row("solid", [3.0, 6.0])
    quiet, noisy = (seen(spheres, 1, Scan(noise_hu=noise)) for noise in (15, 60))
    (small, large), (worse, _) = ((some[:, 2] / some[:, 1]).tolist() for some in (quiet, noisy))
    assert large < small < worse


def test_the_volume_lies_between_its_limits():
    """A second scan's error adds to the first's; 10 % make about 32 down and 24 up."""
    low, high = limits_mm3(np.asarray([100.0]), np.asarray([0.1]))
    assert low[0] == pytest.approx(75.8, abs=0.1)
    assert high[0] == pytest.approx(131.9, abs=0.1)
