from __future__ import annotations

import os
from pathlib import Path

import chests
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from millet.codec.tables import Mark
from millet.core.geometry import PointMm
from millet.core.lungs import lungs
from millet.core.nodule import class_of
from millet.core.volume import Volume
from millet.phantom import implant_kinds as kinds
from millet.phantom import implant_sites as sites
from millet.phantom.implant import lay
from millet.phantom.implant_files import volume_of
from millet.phantom.lesion import Blur

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
DIAMETERS = np.full(40, 3.0)
VESSELS_X_MM = (-90, -50, 50, 80)


def chest() -> Volume:
    """A chest of plain bodies with straight vessels of 4 mm through its lungs, at 1.5 mm."""
    on = chests.grid(shape=(100, 144, 200), spacing=(1.5, 1.5, 1.5), origin=(-150, -108, -75))
    hu = chests.hu(on)
    x, y, _ = chests.points(on)
    for a in VESSELS_X_MM:
        hu[np.broadcast_to(((x - a) ** 2 + y**2 <= 4), hu.shape) & (hu < -800)] = 40
    return chests.volume(on, hu, noise_hu=20)


@pytest.fixture(scope="module")
def mark():
    """What a reader marked."""
    return Mark(centre_mm=PointMm(-70, 30, 0), diameter_mm=20.0, nodule_class=class_of(20.0))


@pytest.fixture(scope="module")
def volume():
    """The plain chest."""
    return chest()


@pytest.fixture(scope="module")
def ground(volume, mark):
    """Its places."""
    return sites.survey(volume, lungs(volume), [mark], np.random.default_rng(1))


@pytest.mark.parametrize("site", sites.SITES)
def test_places_keep_clear_and_in_the_lung(ground, mark, site):
    """Every place is in the lung, apart from the others and from the reader's mark, edge to edge."""
    found = np.asarray([p for p in sites.places(ground, DIAMETERS, site, np.random.default_rng(2)) if p])
    assert len(found) > 30
    assert (ground.lungs.at(found) > 0).all()
    assert cKDTree(found).query(found, 2)[0][:, 1].min() >= 3.0 + sites.CLEAR_MM
    from_mark = np.linalg.norm(found - np.asarray(mark.centre_mm), axis=1)
    assert from_mark.min() >= 10 + 1.5 + sites.CLEAR_MM


def test_touching_really_touches(volume, ground):
    """A touching ball ends within half a voxel of the surface it is sunk into; free ones lie far from any."""
    gaps = {}
    for site in sites.SITES:
        found = np.asarray([p for p in sites.places(ground, DIAMETERS, site, np.random.default_rng(3)) if p])
        axis = np.asarray(VESSELS_X_MM)[:, None]
        gaps[site] = np.hypot(found[:, 0] - axis, found[:, 1]).min(axis=0) - 2.0 - 1.5
        if site == sites.PLEURA:
            tissue = ndimage.gaussian_filter(volume.hu.astype(float), 0.5) > -405
            nearest = cKDTree(volume.grid.to_patient_array(np.argwhere(tissue).astype(float))).query(found)
            gaps[site] = nearest[0] - 1.5 / 2 - 1.5  # a voxel's centre lies half a voxel behind its face
    assert np.abs(gaps[sites.VESSEL] + 1.5 * sites.SUNK).max() < 0.75
    assert abs(gaps[sites.VESSEL].mean()) < 0.4
    assert np.abs(gaps[sites.PLEURA] + 1.5 * sites.SUNK).max() < 0.8
    assert abs(gaps[sites.PLEURA].mean()) < 0.4
    assert np.median(gaps[sites.FREE]) > 3


def test_vessels_and_pleura_are_told_apart(ground):
    """What touches a vessel is deep in the lung, what touches the pleura at its rim."""
    for site, low, high in ((sites.VESSEL, 2.0, 99.0), (sites.PLEURA, -1.0, 5.0)):
        found = np.asarray([p for p in sites.places(ground, DIAMETERS, site, np.random.default_rng(4)) if p])
        depth = sites.depth_mm(ground, found)
        assert ((depth >= low) & (depth <= high)).all()


def test_orders_are_filled_as_asked(ground):
    """Counts, sites and diameters are those of the order; the same seed draws the same."""
    order = kinds.Order(
        name="crisp", sort=kinds.CRISP, count=30, diameter_mm=(2.0, 3.0), spread=kinds.A_THIRD_TOUCHING
    )
    drawn = kinds.draw(ground, [order], np.random.default_rng(5))
    assert [sum(d.site == s for d in drawn) for s in sites.SITES] == [20, 5, 5]
    assert all(2.0 <= d.lesion.diameter_mm <= 3.0 and d.lesion.tissue_hu is not None for d in drawn)
    assert drawn == kinds.draw(ground, [order], np.random.default_rng(5))


def test_a_single_one_lies_where_most_would(ground):
    """An order of one leaves the rarer sites without any."""
    order = kinds.Order(
        name="one", sort=kinds.CRISP, count=1, diameter_mm=(2.0, 3.0), spread=kinds.A_THIRD_TOUCHING
    )
    assert [one.site for one in kinds.draw(ground, [order], np.random.default_rng(5))] == [sites.FREE]


def test_more_than_fit_are_refused(ground):
    """An order that the lung has no room for is refused, not cut."""
    order = kinds.Order(
        name="many", sort=kinds.CRISP, count=400, diameter_mm=(25.0, 30.0), spread=kinds.AT_RANDOM
    )
    with pytest.raises(ValueError, match="do not fit"):
        kinds.draw(ground, [order], np.random.default_rng(5))


@pytest.mark.real_data
def test_in_a_real_lung_they_show_as_drawn():
    """In forty slices of a real scan faint implants peak as asked, and crisp ones touch what they should."""
    files = sorted((DATA / "lidc-idri" / "LIDC-IDRI-0028").glob("*.dcm"))
    real = volume_of(files[50:90])
    rng = np.random.default_rng(6)
    ground = sites.survey(real, lungs(real), (), rng)
    orders = [
        kinds.Order(name="faint", sort=kinds.FAINT, count=20, diameter_mm=(1.5, 4.0), spread=kinds.AT_RANDOM),
        kinds.Order(name="along", sort=kinds.CRISP, count=20, diameter_mm=(2.0, 3.0), spread=kinds.ALONG),
    ]
    drawn = kinds.draw(ground, orders, rng)
    gain = lay(real, [d.lesion for d in drawn], Blur.of("STANDARD", 2.5)).volume.hu - real.hu
    for one in drawn:
        z, y, x = (round(v) for v in real.grid.to_index(one.lesion.centre_mm))
        peak = gain[max(z - 1, 0) : z + 2, y - 2 : y + 3, x - 2 : x + 3].max()
        if one.order == "faint":
            assert peak == pytest.approx(one.lesion.peak_hu, rel=0.15)
        else:
            assert peak > 80
    assert (gain > 1).mean() < 0.01
    touching = np.asarray([d.lesion.centre_mm for d in drawn if d.order == "along"])
    rims = sites.still_hu(ground, (touching[:, None] + _ball(1.5)).reshape(-1, 3)).reshape(len(touching), -1)
    assert (rims.max(axis=1) > sites.TISSUE_HU).all()


def _ball(radius_mm: float):
    steps = np.random.default_rng(0).standard_normal((200, 3))
    return steps / np.linalg.norm(steps, axis=1, keepdims=True) * radius_mm
