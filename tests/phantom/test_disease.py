from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from millet.phantom import anatomy, emphysema, presets, scars
from millet.phantom.spec import PRESETS, Preset, Scan

SCAN = Scan(pixel_mm=1.2, slice_mm=2.0, noise_hu=0.0)
HEALTHY = Preset(nodules=0, diameter_mm=(3.0, 3.0))
ILL = replace(HEALTHY, emphysema=0.3, scars=6, contrast=True)
SCALE = 0.3


@pytest.fixture(scope="module")
def chest():
    """The chest of the phantoms below, without its tubes."""
    return anatomy.chest(np.random.default_rng([4, 0]), scale=SCALE, mass=False, effusion=False)


@pytest.fixture(scope="module")
def healthy():
    """The chest as it was."""
    return presets.make(HEALTHY, seed=4, scale=SCALE, scan=SCAN)


@pytest.fixture(scope="module")
def ill():
    """The same patient with emphysema, scars and contrast."""
    return presets.make(ILL, seed=4, scale=SCALE, scan=SCAN)


@pytest.fixture(scope="module")
def lung(healthy, chest):
    """The voxels 2 mm below the pleura."""
    grid = healthy.volume.grid
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    depth = chest.sample(chest.lung, grid.to_patient_array(index.reshape(-1, 3).astype(float)))
    return depth.reshape(grid.shape) < -2


def test_emphysema_destroys_its_share_of_the_lung(healthy, ill, lung):
    """Near three tenths of the parenchyma fall to -950 HU or below, and none of the healthy lung's."""
    parenchyma = lung & (healthy.volume.hu < -820)
    assert (healthy.volume.hu[parenchyma] <= -950).mean() < 0.01
    assert 0.2 < (ill.volume.hu[parenchyma] <= -950).mean() < 0.33


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_holes_are_of_the_wanted_share_and_more_at_the_apex(chest, share):
    """That share of the lung is gone, more of the upper half than of the lower."""
    holes = emphysema.holes(chest, share, np.random.default_rng(0))
    inside = chest.lung < 0
    assert (holes[inside] > emphysema.GONE).mean() == pytest.approx(share, abs=0.01)
    z = np.nonzero(inside)[0]
    high = z > np.median(z)
    gone = holes[inside] > emphysema.GONE
    assert gone[high].mean() > 1.25 * gone[~high].mean()
    assert emphysema.holes(chest, 0.0, np.random.default_rng(0)) is None


def test_holes_are_as_empty_as_emphysema(healthy, ill, lung):
    """What lost 60 HU and more has -1000 to -960 HU, as far as it is wide enough to tell."""
    lost = ill.volume.hu.astype(int) - healthy.volume.hu
    core = ndimage.binary_erosion((lost < -60) & lung)
    assert core.sum() > 200
    low, high = np.percentile(ill.volume.hu[core], (5, 75))
    assert -1001 <= low
    assert high <= -955


def test_scars_are_dense_plates_that_start_at_the_pleura(chest):
    """Each is 1 to 3 mm thick, starts at the lung's surface, is dense in its middle and empty beside it."""
    found = scars.scars(chest, 12, np.random.default_rng(3))
    for scar in found:
        length, _, thick = scar.size_mm
        assert 1 <= thick <= 3
        assert scar.axes @ scar.axes.T == pytest.approx(np.eye(3), abs=1e-6)
        start = scar.centre_mm - scar.axes[0] * (length / 2 - 2)
        assert abs(chest.sample(chest.lung, start[None])[0]) < 4 * SCALE
        places = scar.centre_mm + np.outer([0.0, thick / 2 + 2.0], scar.axes[2])
        full, beside = scar.share(places, 0.42)
        assert full > 0.75
        assert beside < 0.01
        assert list(scars.clear([scar], places, 1.0)) == [False, True]


def test_scars_are_drawn_in_the_lung_only(healthy, ill, lung):
    """The ill chest has new dense voxels in the lung; none is denser than a scar may be."""
    assert (np.asarray(ill.volume.hu[lung], int) - healthy.volume.hu[lung] > 300).sum() > 40


def test_contrast_brightens_blood_and_not_the_gullet(healthy, ill, chest):
    """Heart and aorta rise above 140 HU; the oesophagus and the muscles stay."""
    grid = healthy.volume.grid
    bright = ill.volume.hu.astype(int) - healthy.volume.hu
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    points = grid.to_patient_array(index.reshape(-1, 3).astype(float))
    gullet = anatomy.chest(
        np.random.default_rng([4, 0]), scale=SCALE, mass=False, effusion=False, gullet=True
    ).gullet
    in_gullet = chest.sample(gullet, points).reshape(grid.shape)
    heart = (chest.sample(chest.soft, points).reshape(grid.shape) < -3) & (in_gullet > 3)
    assert np.median(ill.volume.hu[heart]) > 140
    assert abs(np.median(bright[in_gullet < -0.8])) < 30
    muscle = chest.sample(chest.muscle, points).reshape(grid.shape) < -2
    outside = muscle & (chest.sample(chest.cavity, points).reshape(grid.shape) > 2)
    assert (np.abs(bright[outside]) > 1).mean() < 0.01


def test_alone_and_among_many_is_the_same_nodule_in_the_same_noise():
    """`keep` leaves out all but the first nodules: the same places, and elsewhere the same voxels."""
    many = replace(PRESETS["miliary"], nodules=60)
    scan = replace(SCAN, noise_hu=30.0)
    among, alone = (
        presets.make(wanted, seed=2, scale=SCALE, scan=scan) for wanted in (many, replace(many, keep=2))
    )
    assert alone.truth == among.truth[:2]
    assert among.key != alone.key
    change = among.volume.hu.astype(int) - alone.volume.hu
    points = np.asarray([mark.centre_mm for mark in among.truth])
    index = np.rint(among.volume.grid.to_index_array(points)).astype(int)
    grown = [change[tuple(i)] for i in index]
    assert max(np.abs(grown[:2])) == 0
    assert np.median(grown[2:]) > 200
    assert (change != 0).mean() < 0.05
