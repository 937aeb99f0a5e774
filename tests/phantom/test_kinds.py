from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.phantom import kinds, nodules
from millet.phantom.nodules import Psf, Sphere

LUNG_HU = -868.0
AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
GRID = Grid(shape=(30, 40, 40), spacing_mm=(1.0, 0.7, 0.7), origin_mm=PointMm(-13, -14, -15), axes=AXES)
PSF = Psf(in_plane_mm=0.42, across_mm=0.42)


def drawn(kind, diameter_mm=8.0, seed=0):
    """A nodule of a kind, and an even lung with nothing else in it."""
    rng = np.random.default_rng(seed)
    (solid,) = nodules.spheres(np.zeros((1, 3)), [diameter_mm], rng)
    nodule = kinds.of_kind(solid, kind, rng)
    hu = np.full(GRID.shape, LUNG_HU, np.float32)
    nodules.lay(hu, (nodule,), GRID, PSF)
    return nodule, hu


def middle(hu, point_mm=(0.0, 0.0, 0.0)):
    """HU at a place."""
    return float(hu[tuple(round(v) for v in GRID.to_index(PointMm(*point_mm)))])


@pytest.mark.parametrize(
    ("kind", "least_hu", "most_hu"),
    [("solid", -50, 100), ("ground_glass", -750, -400), ("calcified", 200, 900), ("fat", -120, -40)],
)
@pytest.mark.parametrize("seed", range(4))
def test_each_kind_has_its_attenuation(kind, least_hu, most_hu, seed):
    """The middle of an 8 mm nodule has the HU of its kind."""
    nodule, hu = drawn(kind, seed=seed)
    assert nodule.mark.kind == kind
    assert least_hu - 5 <= middle(hu) <= most_hu + 5


@pytest.mark.parametrize("seed", range(4))
def test_a_part_solid_nodule_is_a_solid_core_in_ground_glass(seed):
    """The core is soft tissue and lies within the whole; most of the rest is ground glass."""
    nodule, hu = drawn("part_solid", diameter_mm=10.0, seed=seed)
    assert nodule.core is not None
    assert nodule.mark.diameter_mm == 10.0
    assert math.dist(nodule.core.centre_mm, nodule.centre_mm) + nodule.core.diameter_mm / 2 <= 5.0
    assert -80 <= middle(hu, nodule.core.centre_mm) <= 105
    glass = ((hu > -790) & (hu < -380)).sum() * GRID.voxel_mm3
    assert 0.3 < glass / (math.pi / 6 * 10.0**3) < 1.3


@pytest.mark.parametrize("kind", ["solid", "ground_glass", "calcified", "fat"])
@pytest.mark.parametrize("diameter_mm", [1.5, 4.0, 12.0])
def test_each_kind_has_the_mass_of_its_diameter(kind, diameter_mm):
    """What a nodule adds to the lung, over its contrast, is the volume of a sphere of its diameter."""
    nodule, hu = drawn(kind, diameter_mm)
    volume_mm3 = float((hu - LUNG_HU).sum(dtype=float)) / (nodule.hu - LUNG_HU) * GRID.voxel_mm3
    assert volume_mm3 == pytest.approx(math.pi / 6 * diameter_mm**3, rel=0.03)


def test_kinds_come_in_their_shares():
    """Shares hold within chance; places and diameters are those of the solid nodules."""
    spheres = tuple(Sphere(centre_mm=PointMm(n, 0, 0), diameter_mm=3.0 + n % 5, hu=20) for n in range(400))
    shares = {"solid": 0.5, "part_solid": 0.1, "ground_glass": 0.3, "calcified": 0.1}
    made = kinds.made_of(spheres, shares, np.random.default_rng(1))
    found = Counter(nodule.kind for nodule in made)
    assert {kind: found[kind] / 400 for kind in shares} == pytest.approx(shares, abs=0.07)
    assert [(n.centre_mm, n.diameter_mm) for n in made] == [(n.centre_mm, n.diameter_mm) for n in spheres]


def test_only_solid_nodules_stay_as_they_are():
    """Where all are solid nothing is drawn anew."""
    spheres = (Sphere(centre_mm=PointMm(0, 0, 0), diameter_mm=3.0, hu=20),)
    assert kinds.made_of(spheres, {"solid": 1.0}, np.random.default_rng(0)) is spheres


def test_an_unknown_kind_is_refused():
    """There is no nodule of fat."""
    with pytest.raises(ValueError, match="fatty"):
        kinds.of_kind(
            Sphere(centre_mm=PointMm(0, 0, 0), diameter_mm=3.0, hu=20), "fatty", np.random.default_rng(0)
        )
