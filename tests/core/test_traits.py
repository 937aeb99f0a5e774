import lumps
import numpy as np
import pytest

from millet.core.character import NoduleType
from millet.core.levels import blur
from millet.core.traits import examined
from millet.core.voi import vois
from millet.phantom.spec import KINDS

TYPES = dict(zip(KINDS, NoduleType, strict=True))


def traits(spheres, volume):
    """Traits and mean HU of each, in order, told by a detector that is a little off."""
    rng = np.random.default_rng(9)
    blurred = blur(lumps.SCAN.fwhm_mm, lumps.SCAN.slice_mm, volume.grid.spacing_mm)
    sizes = [s.diameter_mm * float(np.exp(rng.normal(0, 0.08))) for s in spheres]
    found = {}
    for some in vois(volume, [s.centre_mm for s in spheres], sizes):
        batch = examined(some, blurred)
        found.update(
            zip(some.members.tolist(), zip(batch.traits, batch.mean_hu.tolist(), strict=True), strict=True)
        )
    return [found[n] for n in range(len(spheres))]


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_told_from_6_mm_on(kind):
    """At least ten of twelve of each kind."""
    spheres = lumps.row(kind, np.geomspace(6.0, 12.0, 12).tolist())
    told = [found.type for found, _ in traits(spheres, lumps.lung(spheres))]
    assert sum(one is TYPES[kind] for one in told) >= 10, told


def test_small_nodules_are_solid():
    """2 to 4.5 mm: none of thirty is called anything else."""
    spheres = lumps.row("solid", np.geomspace(2.0, 4.5, 30).tolist(), apart_mm=12.0)
    assert {found.type for found, _ in traits(spheres, lumps.lung(spheres))} == {NoduleType.SOLID}


def test_hu_and_calcium_are_those_of_the_nodule():
    """Mean and 95th percentile lie around its HU; calcium is in calcified nodules, whole, and in no other."""
    for kind, share in (("solid", 0.0), ("calcified", 1.0), ("fat", 0.0)):
        spheres = lumps.row(kind, [8.0, 10.0])
        for sphere, (found, mean_hu) in zip(spheres, traits(spheres, lumps.lung(spheres)), strict=True):
            assert mean_hu < found.p95_hu
            assert mean_hu == pytest.approx(sphere.hu, abs=0.25 * (sphere.hu + 860))
            assert found.p95_hu == pytest.approx(sphere.hu, abs=110)
            assert found.calcified_share == pytest.approx(share, abs=0.1)


def test_only_part_solid_nodules_have_a_core():
    """Smaller than the nodule."""
    for kind in ("part_solid", "ground_glass", "solid"):
        spheres = lumps.row(kind, [10.0, 13.0])
        for sphere, (found, _) in zip(spheres, traits(spheres, lumps.lung(spheres)), strict=True):
            if kind == "part_solid":
                assert found.core_mm is not None
                assert 1 < found.core_mm < sphere.diameter_mm
            else:
                assert found.core_mm is None


def test_a_smooth_nodule_is_not_spiculated():
    """Alone in the lung."""
    spheres = lumps.row("solid", [7.0, 9.0, 12.0])
    assert [found.spiculation for found, _ in traits(spheres, lumps.lung(spheres))] == [0, 0, 0]
