import numpy as np
import pytest

from millet.core.outline import STEP_MM, Outlines
from millet.core.spiculation import spiculation

RADIUS_MM, LUNG_HU = 5.0, -860.0


def outline(strands, *, wide=1, noise_hu=40.0):
    """An outline of 48 rays with dense strands beyond the edge, spread evenly."""
    rng = np.random.default_rng(6)
    far = STEP_MM * np.arange(28)
    rays = np.where(far <= RADIUS_MM, 40.0, LUNG_HU) + np.zeros((1, 48, 1))
    for n in range(strands):
        for k in range(wide):
            rays[0, (n * 48 // strands + k) % 48, far > RADIUS_MM] = -450.0
    return Outlines(
        slices=np.zeros(1, np.int64),
        middle_mm=np.zeros((1, 2)),
        radius_mm=np.full((1, 48), RADIUS_MM),
        rays=(rays + rng.normal(0, noise_hu, rays.shape)).astype(np.float32),
    )


def told(drawn, diameter=10.0):
    """The estimate."""
    return float(spiculation(drawn, np.asarray([LUNG_HU]), np.asarray([diameter]))[0])


@pytest.mark.parametrize(("strands", "expected"), [(0, 0.0), (2, 0.0), (5, 0.5), (8, 1.0), (12, 1.0)])
def test_strands_are_counted(strands, expected):
    """Up to two may be vessels; eight make an edge spiculated."""
    assert told(outline(strands)) == pytest.approx(expected)


def test_a_wall_is_no_strand():
    """Half of the edge on the pleura leaves a nodule smooth."""
    assert told(outline(1, wide=24)) == 0


def test_small_nodules_count_as_smooth():
    """Below 6 mm no scan shows strands."""
    assert told(outline(12), diameter=5.0) == 0
