from __future__ import annotations

import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.phantom import nodules
from millet.phantom.nodules import Psf, Sphere

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
GRID = Grid(shape=(40, 60, 60), spacing_mm=(1.0, 0.7, 0.7), origin_mm=PointMm(-20, -20, -20), axes=AXES)


@pytest.mark.parametrize("diameter_mm", [1.5, 3.0, 6.0, 12.0])
@pytest.mark.parametrize("offset_mm", [0.0, 0.37])
@pytest.mark.parametrize("roughness", [0.0, 0.08])
def test_a_nodule_has_the_mass_of_its_sphere(diameter_mm, offset_mm, roughness):
    """Whatever its place between the voxels, a nodule fills its own volume (partial volume)."""
    centre = PointMm(offset_mm, -offset_mm, offset_mm)
    sphere = Sphere(
        centre_mm=centre, diameter_mm=diameter_mm, hu=30, roughness=roughness, lumps=(1.0, 2.0, 3.0)
    )
    _, share = nodules.share(sphere, GRID, Psf(in_plane_mm=0.42, across_mm=0.42))
    wanted = np.pi / 6 * diameter_mm**3
    assert share.sum() * GRID.voxel_mm3 == pytest.approx(wanted, rel=0.06)


def test_a_nodule_lies_at_its_centre():
    """The centre of mass of what is drawn is the stated place, to a tenth of a millimetre."""
    centre = PointMm(1.23, -2.34, 0.57)
    box, share = nodules.share(
        Sphere(centre_mm=centre, diameter_mm=3.0, hu=30), GRID, Psf(in_plane_mm=0.42, across_mm=0.5)
    )
    start = np.asarray([b.start for b in box])
    index = np.indices(share.shape).reshape(3, -1) @ share.ravel() / share.sum() + start
    assert GRID.to_patient_array(index[None])[0] == pytest.approx(np.asarray(centre), abs=0.1)


def test_thicker_slices_dim_a_nodule():
    """A small nodule loses contrast when slices are thicker than it is."""
    sphere = Sphere(centre_mm=PointMm(0, 0, 0), diameter_mm=3.0, hu=30)
    thin, thick = (nodules.share(sphere, GRID, Psf.of(fwhm_mm=1.0, slice_mm=t))[1].max() for t in (1.0, 5.0))
    assert thick < 0.75 * thin


def test_a_nodule_outside_the_scan_is_not_drawn():
    """Nothing is drawn for a nodule beyond the last slice."""
    sphere = Sphere(centre_mm=PointMm(0, 0, 90), diameter_mm=3.0, hu=30)
    assert nodules.share(sphere, GRID, Psf(in_plane_mm=0.4, across_mm=0.4))[1].size == 0


def test_places_are_chosen_apart():
    """Chosen places keep a distance that chance alone would not."""
    rng = np.random.default_rng(0)
    chosen = nodules.spread(rng.uniform(0, 200, (40000, 3)), 200, rng)
    gaps = np.linalg.norm(chosen[:, None] - chosen[None], axis=-1) + 1e9 * np.eye(200)
    assert len(chosen) == 200
    assert gaps.min() > 8


def test_more_nodules_than_places_are_refused():
    """A lung too small for the nodules asked for is an error, not a shorter list."""
    with pytest.raises(ValueError, match="5 nodules"):
        nodules.spread(np.zeros((3, 3)), 5, np.random.default_rng(0))
