from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.nodule import NoduleClass
from millet.phantom.second import clouds, nodules

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
GRID = Grid(shape=(48, 70, 70), spacing_mm=(1.0, 0.7, 0.7), origin_mm=PointMm(-24, -24, -24), axes=AXES)
CENTRE = np.asarray([0.37, -0.21, 0.44])


def share_of(one):
    """Its share of each voxel, and its mean density there."""
    return clouds.deposit(nodules.drawn(one).ordered(), GRID, slice(0, GRID.shape[0]))


@pytest.mark.parametrize("kind", ["solid", "part_solid", "ground_glass", "calcified", "fat"])
@pytest.mark.parametrize("diameter_mm", [1.5, 3.0, 8.0, 24.0])
def test_a_nodule_has_the_volume_of_its_sphere(kind, diameter_mm):
    """Whatever its kind, shape and place between the voxels, its volume is exact."""
    one = nodules.lesion(CENTRE, diameter_mm, kind, np.random.default_rng(5))
    share, _ = share_of(one)
    assert share.sum() * GRID.voxel_mm3 == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.02)


@pytest.mark.parametrize("diameter_mm", [1.5, 6.0])
def test_a_nodule_lies_at_its_centre(diameter_mm):
    """The centre of mass of what is drawn is the stated place."""
    one = nodules.lesion(CENTRE, diameter_mm, "solid", np.random.default_rng(1))
    share, _ = share_of(one)
    index = np.indices(share.shape).reshape(3, -1) @ share.ravel() / share.sum()
    assert GRID.to_patient_array(index[None])[0] == pytest.approx(CENTRE, abs=0.05)


def test_a_wide_nodule_is_full_inside():
    """The middle of a wide nodule is all nodule, of its density."""
    one = replace(nodules.lesion(CENTRE, 12.0, "solid", np.random.default_rng(2)), hu=33.0)
    share, dense = share_of(one)
    z, y, x = (round(v) for v in GRID.to_index(PointMm(*CENTRE)))
    assert share[z, y - 2 : y + 3, x - 2 : x + 3].mean() == pytest.approx(1.0, abs=0.06)
    assert dense[z, y, x] == pytest.approx(33.0, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("solid", -50, 100),
        ("ground_glass", -750, -400),
        ("part_solid", -750, -400),
        ("calcified", 200, 1000),
        ("fat", -120, -40),
    ],
)
def test_kinds_have_their_densities(kind, low, high):
    """Densities are those of the kind; a part-solid nodule has a solid core besides."""
    drawn = [nodules.lesion(CENTRE, 8.0, kind, np.random.default_rng(k)) for k in range(20)]
    assert all(low <= one.hu <= high for one in drawn)
    dense = np.unique(nodules.drawn(drawn[0]).hu)
    assert len(dense) == (2 if kind == "part_solid" else 1)
    assert dense.max() == (20 if kind == "part_solid" else pytest.approx(drawn[0].hu))


def test_no_two_nodules_are_alike():
    """Shapes differ from nodule to nodule, and none is a perfect sphere."""
    rng = np.random.default_rng(7)
    first, second = (nodules.drawn(nodules.lesion(np.zeros(3), 10.0, "solid", rng)) for _ in range(2))
    spread = [np.sort(np.linalg.eigvalsh(np.cov(c.place_mm.T))) for c in (first, second)]
    assert spread[0][2] / spread[0][0] > 1.05
    assert not np.allclose(spread[0], spread[1], rtol=1e-3)


def test_a_large_one_is_a_mass():
    """The truth calls it so above 30 mm and tells its kind."""
    mark = nodules.lesion(CENTRE, 40.0, "solid", np.random.default_rng(0)).mark
    assert (mark.nodule_class, mark.kind) == (NoduleClass.MASS, "solid")
