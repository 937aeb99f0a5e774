from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from millet.core.nodule import NoduleClass
from millet.phantom import acquisition, presets


def hu_at(phantom, point_mm):
    """The mean of the 27 voxels at a place."""
    z, y, x = (round(v) for v in phantom.volume.grid.to_index(point_mm))
    return phantom.volume.hu[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].mean()


def test_a_case_at_full_size_has_the_matrix_of_a_ct():
    """The case is written on 512 x 512 pixels and 280 to 320 slices of 1 mm."""
    grid = acquisition.grid(presets.Scan(), 1.0)
    assert grid.shape[1:] == (512, 512)
    assert 280 <= grid.shape[0] <= 320
    assert grid.spacing_mm[0] == 1.0


def test_the_published_case():
    """The case preset has 220 nodules of 3 +- 0.3 mm, a mass and an effusion."""
    wanted = presets.PRESETS["case"]
    assert (wanted.nodules, wanted.diameter_mm, wanted.normal) == (220, (3.0, 0.3), True)
    assert wanted.mass
    assert wanted.effusion


def test_nodules_are_where_the_truth_says(small_case):
    """Every nodule's centre is bright against the lung, and no two lie on each other."""
    small = [m for m in small_case.truth if m.diameter_mm < 5]
    assert len(small) == 12
    assert min(hu_at(small_case, m.centre_mm) for m in small) > -600
    assert pdist(np.asarray([m.centre_mm for m in small])).min() > 4
    assert {m.nodule_class for m in small} == {NoduleClass.NODULE}


def test_the_mass_lies_low_behind_in_the_left_lung(small_case):
    """The mass is soft tissue in the left lower chest."""
    mass = max(small_case.truth, key=lambda m: m.diameter_mm)
    assert mass.diameter_mm == pytest.approx(41.5 * small_case.scale)
    assert mass.centre_mm.x > 0
    assert mass.centre_mm.y > 0
    assert mass.centre_mm.z < 0
    assert -30 < hu_at(small_case, mass.centre_mm) < 100


def test_the_effusion_is_small(small_case):
    """The effusion of a full-size chest would be 100 to 250 mL."""
    assert 100 < small_case.effusion_ml / small_case.scale**3 < 250


def test_the_same_seed_gives_the_same_voxels():
    """A phantom is a function of its arguments, whatever it has; another seed is another patient."""
    wanted = presets.Preset(
        nodules=2,
        diameter_mm=(3.0, 5.0),
        kinds={"part_solid": 0.5, "calcified": 0.5},
        spread="perilymphatic",
        emphysema=0.2,
        scars=2,
        contrast=True,
    )
    scan = presets.Scan(pixel_mm=1.4, slice_mm=2.0, interval_mm=1.0, edge=1.0)
    first, again, other = (presets.make(wanted, seed=s, scale=0.3, scan=scan) for s in (5, 5, 6))
    assert np.array_equal(first.volume.hu, again.volume.hu)
    assert first.truth == again.truth
    assert first.truth != other.truth
    assert not np.array_equal(first.volume.hu, other.volume.hu)


def test_tissues_have_their_densities(small_quiet):
    """Lung, soft tissue, bone and air outside are there in the shares of a chest."""
    hu = small_quiet.volume.hu
    lung = hu[(hu > -960) & (hu < -700)]
    litres = lung.size * small_quiet.volume.grid.voxel_mm3 / 1e6 / small_quiet.scale**3
    assert 3.0 < litres < 7.0
    assert -890 < np.median(lung) < -840
    assert 0.002 < (hu > 250).mean() < 0.05
    assert (hu < -990).mean() > 0.2


def test_lung_is_denser_at_the_back(small_quiet):
    """Gravity makes the dependent lung denser."""
    hu, half = small_quiet.volume.hu, small_quiet.volume.hu.shape[1] // 2

    def middle(part):
        return np.median(part[(part > -960) & (part < -700)])

    assert middle(hu[:, half:]) > middle(hu[:, :half]) + 10


def test_noise_is_as_asked(small_quiet):
    """The difference of a noisy and a quiet scan has the wanted spread in the middle of the chest."""
    noisy = presets.make("negative", seed=3, scale=0.4, scan=presets.Scan(noise_hu=40.0))
    middle = tuple(slice(2 * n // 5, 3 * n // 5) for n in noisy.volume.hu.shape)
    spread = (noisy.volume.hu[middle].astype(float) - small_quiet.volume.hu[middle]).std()
    assert spread == pytest.approx(40, rel=0.12)


def test_progress_only_grows():
    """Progress is told from 0 towards 1 and never backwards."""
    told = []
    presets.make("negative", scale=0.3, progress=lambda _what, share: told.append(share))
    assert told == sorted(told)
    assert told[0] == 0.0
    assert 0.9 < told[-1] <= 1.0


@pytest.mark.parametrize(
    "wrong", [{"preset": "tiny"}, {"preset": "case", "scale": 0.1}], ids=["name", "scale"]
)
def test_nonsense_is_refused(wrong):
    """An unknown preset or a scale out of range is refused with its value named."""
    with pytest.raises(ValueError, match=r"tiny|0\.1"):
        presets.make(**wrong)
