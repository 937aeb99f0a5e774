from dataclasses import dataclass

import chests
import numpy as np
import pytest
from reports import dense
from scipy import ndimage

from millet.core.geometry import PointMm
from millet.core.lungs import lungs
from millet.core.measure import label, measure
from millet.core.nodule import Candidate, Side
from millet.core.volume import Volume

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


def blurred(*balls):
    """The block of lung as a scanner of 1 mm blur and 40 HU noise shows it."""
    fine = chests.grid(shape=(240, 240, 240), spacing=(0.25,) * 3, origin=(40.0, -30.0, -30.0))
    hu = np.full(fine.shape, -850.0, np.float32)
    for centre, diameter in balls:
        hu[chests.ball(fine, centre, diameter)] = 40
    hu = ndimage.gaussian_filter(hu, 0.45 / 0.25)[::4, ::3, ::3]
    grid = chests.grid(shape=hu.shape, spacing=(1.0, 0.75, 0.75), origin=(40.0, -30.0, -30.0))
    noise = np.random.default_rng(8).normal(0, 40, hu.shape)
    return Volume(hu=np.rint(hu + noise).astype(np.int16), grid=grid)


def test_small_nodules_are_measured_by_the_tissue_they_add(mask):
    """1.8 to 4.5 mm through blur and noise: each size within 0.15 mm, whatever was read."""
    true_mm, read_mm = (1.8, 2.5, 3.0, 3.5, 4.5), (2.3, 2.7, 2.8, 3.1, 3.9)
    places = [(46.0 + 10 * n, y, z) for n in range(5) for y in (-20.0, 0.0, 20.0) for z in (-20.0, 0.0, 20.0)]
    sizes = np.repeat(true_mm, 9)
    candidates = [
        Candidate(centre_mm=PointMm(*place), diameter_mm=read, score=0.9)
        for place, read in zip(places, np.repeat(read_mm, 9).tolist(), strict=True)
    ]
    found = measure(blurred(*zip(places, sizes, strict=True)), mask, candidates)
    errors = np.asarray([f.diameter_mm for f in found]) - sizes
    assert np.abs(errors.reshape(5, 9).mean(axis=1)).max() < 0.15


def test_thick_slices_are_centred_by_mass(mask):
    """Where slices are 3 mm the centre of what was added corrects a peak that lies 1 mm off."""
    thin = blurred(((66.0, 0.0, 0.75), 3.5))
    hu = np.asarray(thin.hu[:60].reshape(20, 3, *thin.hu.shape[1:]).mean(axis=1), np.int16)
    thick = chests.grid(shape=hu.shape, spacing=(3.0, 0.75, 0.75), origin=(40.0, -30.0, -29.0))
    one = Candidate(centre_mm=PointMm(66.0, 0.0, 1.75), diameter_mm=3.5, score=0.9)
    (found,) = measure(Volume(hu=hu, grid=thick), mask, [one])
    assert np.linalg.norm(np.subtract(found.centre_mm, (66.0, 0.0, 0.75))) < 0.4


def test_a_vessel_nearby_does_not_make_a_nodule_larger(mask):
    """What does not hang together with the middle is not the nodule's."""
    near = [((66.0, 0.0, 0.0), 3.0), ((70.5, 0.0, 0.0), 3.0), ((61.5, 0.0, 0.0), 3.0)]
    one = Candidate(centre_mm=PointMm(66.0, 0.0, 0.0), diameter_mm=3.0, score=0.9)
    (found,) = measure(blurred(*near), mask, [one])
    assert found.diameter_mm == pytest.approx(3.0, abs=0.3)


def test_a_nodule_hardly_brighter_than_lung_keeps_a_size(mask):
    """Where next to no tissue is added the size is a share of the detector's, and never nought."""
    one = Candidate(centre_mm=PointMm(66.0, 0.0, 0.0), diameter_mm=3.0, score=0.9)
    (found,) = measure(in_lung(), mask, [one])
    assert 1.0 < found.diameter_mm < 3.0


def test_there_is_no_highest_number():
    """Nodule 70,000 is drawn like the first: a label volume widens where it must."""
    balls = [Ball(1, PointMm(55.0, 0.0, 0.0), 3.0), Ball(70_000, PointMm(66.0, 0.0, 0.0), 3.0)]
    labels = dense(label(in_lung(*[(b.centre_mm, 3.0) for b in balls]), balls))
    assert set(np.unique(labels)) == {0, 1, 70_000}


def test_labels_carry_each_nodules_number():
    """Each nodule's voxels hold its number, about as many as its volume."""
    balls = [((55.0, 0.0, 0.0), 6.0), ((75.0, 5.0, 5.0), 10.0)]
    nodules = [Ball(n, PointMm(*c), d) for n, (c, d) in enumerate(balls, start=1)]
    labels = dense(label(in_lung(*balls), nodules))
    for nodule in nodules:
        volume = (labels == nodule.number).sum() * FINE.voxel_mm3
        assert volume == pytest.approx(np.pi / 6 * nodule.diameter_mm**3, rel=0.25)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_even_the_smallest_nodule_has_a_voxel():
    """A nodule smaller than a voxel is not lost from the segmentation."""
    labels = dense(label(in_lung(), [Ball(7, PointMm(66.0, 0.0, 0.0), 0.3)]))
    assert (labels == 7).sum() == 1


def test_a_candidate_where_there_is_no_tissue_keeps_its_place(mask):
    """A foreign model may see a nodule in plain lung: it is measured as small, not as no number."""
    volume = chests.volume(FINE, np.full(FINE.shape, -850.0))
    seen = Candidate(centre_mm=PointMm(66.3, 0.2, 0.4), diameter_mm=8.0, score=0.9)
    (found,) = measure(volume, mask, [seen])
    assert found.centre_mm == seen.centre_mm
    assert 0 < found.diameter_mm < seen.diameter_mm
    assert found.mean_hu == pytest.approx(-850)


def test_equal_hu_give_equal_measurements_and_voxels(mask):
    """Whole HU as int16, as float32 and as a view that runs backwards; at the volume's border, too."""
    balls = [((55.0, 0.0, 0.0), 3.0), ((75.0, 5.0, 5.0), 10.0), ((66.0, -28.0, -30.0), 6.0)]
    thin = in_lung(*balls)
    seen = [Candidate(centre_mm=PointMm(*c), diameter_mm=d, score=0.9) for c, d in balls]
    nodules = [Ball(n, PointMm(*c), d) for n, (c, d) in enumerate(balls, start=1)]
    measured, drawn = measure(thin, mask, seen), dense(label(thin, nodules))
    backwards = np.ascontiguousarray(thin.hu[::-1])[::-1]
    for hu in (thin.hu.astype(np.float32), backwards):
        other = Volume(hu=hu, grid=thin.grid)
        assert measure(other, mask, seen) == measured
        assert np.array_equal(dense(label(other, nodules)), drawn)


def test_nothing_is_measured_and_drawn_as_nothing(mask):
    """No candidates, no nodules: no measurements, and labels of the volume's shape without a voxel."""
    assert measure(in_lung(), mask, []) == ()
    assert not dense(label(in_lung(), [])).any()
    assert label(in_lung(), []).shape == FINE.shape


def test_a_place_outside_both_lungs_has_the_nearer_side(mask):
    """A model that was gated otherwise may report in the wall: the side is that of the nearer lung."""
    wall = Candidate(centre_mm=PointMm(118.0, 0.0, 0.0), diameter_mm=3.0, score=0.9)
    (found,) = measure(chests.volume(LUNG, chests.hu(LUNG)), mask, [wall])
    assert found.side is Side.LEFT


def test_touching_nodules_share_their_voxels_by_distance():
    """Two balls that overlap: each voxel is the nearer centre's, and none is lost."""
    balls = [((64.0, 0.0, 0.0), 8.0), ((69.0, 0.0, 0.0), 8.0)]
    nodules = [Ball(n, PointMm(*c), d) for n, (c, d) in enumerate(balls, start=1)]
    volume = in_lung(*balls)
    both = dense(label(volume, nodules))
    alone = [dense(label(volume, [nodule])) for nodule in nodules]
    assert np.array_equal(both > 0, (alone[0] + alone[1]) > 0)
    x = np.nonzero(both)[2] * FINE.spacing_mm[2] + FINE.origin_mm[0]
    assert np.array_equal(both[both > 0], np.where(np.abs(x - 64.0) <= np.abs(x - 69.0), 1, 2))
