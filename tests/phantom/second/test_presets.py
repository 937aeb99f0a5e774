from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from millet.core.lungs import lungs
from millet.core.nodule import NoduleClass
from millet.phantom.second import presets
from millet.phantom.spec import NAMES, PRESETS, Preset, Scan

COARSE = Scan(pixel_mm=1.4, slice_mm=2.5, noise_hu=20.0, fwhm_mm=1.6)


def small(preset, **asked):
    """A chest of three tenths of its size, coarsely scanned."""
    return presets.make(preset, **{"seed": 2, "scale": 0.3, "scan": COARSE} | asked)


def deep_lung(phantom, rim_mm=5.0):
    """HU of the lungs away from their surface, by the service's own mask."""
    mask = lungs(phantom.volume)
    deep = ndimage.distance_transform_edt(mask.label > 0) * 2.0 > rim_mm
    return phantom.volume.hu[replace(mask, label=deep.astype(np.uint8)).on(phantom.volume.grid) > 0]


def test_lung_densities_are_those_of_real_lungs(without):
    """Mean, P10 and P90 of the deep lung lie where four real series have them, or within 25 HU of it.

    LIDC-IDRI-0028, -0295, -0306 and lungfcp-01-0001: means -873 to -836, P10 -975 to -930, P90 -812 to -695.
    """
    hu = deep_lung(without)
    assert -898 < hu.mean() < -811
    assert -1000 < np.quantile(hu, 0.1) < -905
    assert -837 < np.quantile(hu, 0.9) < -670


def test_vessels_are_as_dense_as_in_real_lungs(without):
    """The share of the deep lung above -500 HU is that of the same real series (1.3 to 3.8 %), within 1.5."""
    assert 0.013 / 1.5 < (deep_lung(without) > -500).mean() < 0.038 * 1.5


def test_the_service_finds_the_lungs(miliary):
    """Both lungs, the right litres, and nearly every true nodule within the mask."""
    mask = lungs(miliary.volume)
    places = np.asarray([mark.centre_mm for mark in miliary.truth])
    assert (mask.at(places) > 0).mean() > 0.97
    assert mask.litres.total_l == pytest.approx(miliary.lung_ml / 1000, rel=0.1)
    assert min(mask.litres.right_l, mask.litres.left_l) > 0.3 * mask.litres.total_l


def test_lung_is_denser_at_the_back(quiet):
    """Blood sinks: the median rises from front to back as in a lying patient."""
    label = lungs(quiet.volume).on(quiet.volume.grid) > 0
    rows = np.nonzero(label.any(axis=(0, 2)))[0]
    third = len(rows) // 3

    def median(part):
        return np.median(quiet.volume.hu[:, part][label[:, part]])

    assert median(rows[-third:]) > median(rows[:third]) + 8


def test_noise_is_as_asked_in_the_heart(without, quiet):
    """The difference of a noisy and a quiet scan in the middle of the chest has the wanted spread."""
    change = without.volume.hu.astype(float) - quiet.volume.hu
    middle = tuple(slice(9 * n // 20, 11 * n // 20) for n in change.shape)
    assert change[middle].std() == pytest.approx(without.scan.noise_hu, rel=0.12)


def test_nodules_add_their_mass_and_nothing_else(miliary, without):
    """What the nodules add is their volume times their contrast, at their places alone."""
    change = miliary.volume.hu.astype(float) - without.volume.hu
    wanted = sum(np.pi / 6 * mark.diameter_mm**3 for mark in miliary.truth) * 880
    assert change.sum() * miliary.volume.grid.voxel_mm3 == pytest.approx(wanted, rel=0.12)
    assert (np.abs(change) > 3).mean() < 0.02
    for mark in miliary.truth:
        z, y, x = (round(v) for v in miliary.volume.grid.to_index(mark.centre_mm))
        if mark.diameter_mm > 3:
            assert change[z, y, x] > 400


def test_tissues_have_their_densities(quiet):
    """Air, fat, muscle and bone are there in the shares of a chest."""
    hu = quiet.volume.hu
    assert 0.2 < (hu < -990).mean() < 0.6
    assert (np.abs(hu + 105) < 15).mean() > 0.04
    assert (np.abs(hu - 48) < 15).mean() > 0.08
    assert 0.003 < (hu > 250).mean() < 0.06


def test_the_same_seed_gives_the_same_voxels():
    """A phantom is a function of its arguments; another seed is another patient."""
    first, again, other = (small("miliary", nodules=5, seed=s) for s in (5, 5, 6))
    assert np.array_equal(first.volume.hu, again.volume.hu)
    assert first.truth == again.truth
    assert first.truth != other.truth
    assert not np.array_equal(first.volume.hu, other.volume.hu)
    assert first.key != other.key


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_made_as_asked(name):
    """Each named preset has its nodules, of its kinds, and says which simulator drew it."""
    made = small(name, nodules=min(PRESETS[name].nodules, 8))
    nodules = [m for m in made.truth if m.nodule_class is NoduleClass.NODULE and m.diameter_mm < 10.8]
    assert len(nodules) == min(PRESETS[name].nodules, 8)
    assert len(made.truth) == len(nodules) + PRESETS[name].mass
    assert {m.kind for m in made.truth} <= set(PRESETS[name].kinds)
    assert (made.preset, made.simulator) == (name, "second")
    assert (made.effusion_ml > 0) == PRESETS[name].effusion
    assert made.volume.hu.dtype == np.int16


def test_contrast_medium_fills_heart_and_vessels():
    """With contrast much of the mediastinum is bright; without, next to none is but bone."""
    plain, bright = (small(Preset(nodules=0, diameter_mm=(3, 3), contrast=c)) for c in (False, True))
    share = [((p.volume.hu > 160) & (p.volume.hu < 280)).mean() for p in (plain, bright)]
    assert share[1] > 2 * share[0]


def test_emphysema_empties_its_share_of_the_lung():
    """About as much of the lung as was asked for loses its density, more of it above than below."""
    still = replace(COARSE, noise_hu=0)
    ill, well = (small(Preset(nodules=0, diameter_mm=(3, 3), emphysema=e), scan=still) for e in (0.3, 0.0))
    lung = lungs(well.volume).on(well.volume.grid) > 0
    emptied = (well.volume.hu.astype(int) - ill.volume.hu > 30) & lung
    assert emptied.sum() / lung.sum() == pytest.approx(0.3, abs=0.1)
    middle = lung.shape[0] // 2
    assert emptied[middle:].sum() / lung[middle:].sum() > 1.2 * emptied[:middle].sum() / lung[:middle].sum()


def test_scars_are_bands_of_soft_tissue():
    """Scars change the lung and are no nodules."""
    bare, scarred = (small(Preset(nodules=0, diameter_mm=(3, 3), scars=n)) for n in (0, 8))
    change = scarred.volume.hu.astype(int) - bare.volume.hu
    assert change.max() > 300
    assert scarred.truth == ()


def test_overlapping_slices_are_as_thick_as_said():
    """Slices 5 mm thick every 2.5 mm are smoother along z than slices of 2.5 mm."""
    thin = small("negative", scan=replace(COARSE, noise_hu=0))
    thick = small("negative", scan=replace(COARSE, noise_hu=0, slice_mm=5.0, interval_mm=2.5))
    assert thick.volume.grid == thin.volume.grid
    rough = [np.abs(np.diff(p.volume.hu.astype(float), n=2, axis=0)).mean() for p in (thin, thick)]
    assert rough[1] < 0.75 * rough[0]


def test_progress_only_grows():
    """Progress is told from 0 towards 1 and never backwards."""
    told = []
    small("negative", progress=lambda _what, share: told.append(share))
    assert told == sorted(told)
    assert told[0] == 0.0
    assert 0.7 < told[-1] <= 1.0


@pytest.mark.parametrize(
    "wrong", [{"preset": "tiny"}, {"preset": "case", "scale": 0.1}], ids=["name", "scale"]
)
def test_nonsense_is_refused(wrong):
    """An unknown preset or a scale out of range is refused with its value named."""
    with pytest.raises(ValueError, match=r"tiny|0\.1"):
        presets.make(**wrong)
