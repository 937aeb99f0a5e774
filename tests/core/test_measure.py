from dataclasses import dataclass

import chests
import numpy as np
import pytest

from millet.core.geometry import PointMm
from millet.core.lungs import lungs
from millet.core.measure import label, measure
from millet.core.nodule import Candidate, Side

LUNG = chests.grid()
FINE = chests.grid(shape=(60, 80, 80), spacing=(1.0, 0.7, 0.7), origin=(40.0, -28.0, -30.0))


@dataclass
class Ball:
    """What `label` needs of a nodule."""

    number: int
    centre_mm: PointMm
    diameter_mm: float


@pytest.fixture(scope="module")
def mask():
    """The lungs of the plain chest."""
    return lungs(chests.volume(LUNG, chests.hu(LUNG)))


def in_lung(*balls):
    """A block of lung with balls of tissue."""
    hu = np.full(FINE.shape, -850.0)
    for centre, diameter in balls:
        hu[chests.ball(FINE, centre, diameter)] = 40
    return chests.volume(FINE, hu, noise_hu=20)


@pytest.mark.parametrize("diameter", [6.0, 10.0, 20.0])
def test_a_ball_has_its_size(mask, diameter):
    """Diameter within 0.6 mm, centre within 0.5 mm, though the candidate was wrong in both."""
    centre = (66.3, 0.2, 0.4)
    wrong = Candidate(centre_mm=PointMm(66.9, 0.2, 0.0), diameter_mm=diameter * 0.9, score=0.9)
    (found,) = measure(in_lung((centre, diameter)), mask, [wrong])
    assert found.diameter_mm == pytest.approx(diameter, abs=0.6)
    assert np.linalg.norm(np.subtract(found.centre_mm, centre)) < 0.5
    assert found.volume_mm3 == pytest.approx(np.pi / 6 * found.diameter_mm**3)
    assert found.mean_hu > -250
    assert found.side is Side.LEFT


def test_small_nodules_keep_the_detectors_size(mask):
    """Below 5 mm no voxel shows the tissue, so the detector's diameter stands."""
    small = Candidate(centre_mm=PointMm(66.0, 0.0, 0.0), diameter_mm=3.0, score=0.9)
    (found,) = measure(in_lung(((66.0, 0.0, 0.0), 3.0)), mask, [small])
    assert found.diameter_mm == pytest.approx(3.0)


def test_labels_carry_each_nodules_number():
    """Each nodule's voxels hold its number, about as many as its volume."""
    balls = [((55.0, 0.0, 0.0), 6.0), ((75.0, 5.0, 5.0), 10.0)]
    nodules = [Ball(n, PointMm(*c), d) for n, (c, d) in enumerate(balls, start=1)]
    labels = label(in_lung(*balls), nodules)
    for nodule in nodules:
        volume = (labels == nodule.number).sum() * FINE.voxel_mm3
        assert volume == pytest.approx(np.pi / 6 * nodule.diameter_mm**3, rel=0.25)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_even_the_smallest_nodule_has_a_voxel():
    """A nodule smaller than a voxel is not lost from the segmentation."""
    labels = label(in_lung(), [Ball(7, PointMm(66.0, 0.0, 0.0), 0.3)])
    assert (labels == 7).sum() == 1
