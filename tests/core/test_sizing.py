import lumps
import numpy as np
import pytest

from millet.core.levels import blur, levels
from millet.core.sizing import bright_mm, diameter_mm, sizes
from millet.core.tissue import tissue
from millet.core.voi import softened, vois
from millet.core.volume import Volume


def sized(spheres, volume, off=1.0):
    """Diameter and core of each, told by a detector that is off by a factor."""
    blurred = blur(lumps.SCAN.fwhm_mm, lumps.SCAN.slice_mm, volume.grid.spacing_mm)
    each = {}
    for some in vois(volume, [s.centre_mm for s in spheres], [s.diameter_mm * off for s in spheres]):
        soft = softened(some.hu)
        level = levels(some, soft, blurred)
        made_of = tissue(level, 2 * some.radius_mm, bright_mm(some, soft, level), blurred)
        found = sizes(some, soft, level, made_of)
        across, core = diameter_mm(found.volume_mm3), diameter_mm(found.core_mm3)
        each.update({n: (across[k], core[k]) for k, n in enumerate(some.members.tolist())})
    return [each[n] for n in range(len(spheres))]


@pytest.mark.parametrize("off", [0.9, 1.0, 1.1])
@pytest.mark.parametrize(
    ("kind", "diameters", "within"),
    [
        ("solid", [2.0, 3.0, 4.5, 8.0], 0.2),
        ("calcified", [4.0, 6.0, 9.0], 0.2),
        ("fat", [6.0, 9.0], 0.25),
        ("ground_glass", [7.0, 10.0, 12.0], 0.6),
        ("part_solid", [9.0, 12.0], 0.9),
    ],
)
def test_nodules_of_every_kind_have_their_size(kind, diameters, within, off):
    """Whatever they are made of, and though the detector was a tenth off."""
    spheres = lumps.row(kind, diameters)
    found = sized(spheres, lumps.lung(spheres), off)
    assert [across for across, _ in found] == pytest.approx(diameters, abs=within)


def test_a_core_has_its_size():
    """Within a millimetre and a half; nodules of one kind have none."""
    spheres = lumps.row("part_solid", [10.0, 12.0, 14.0])
    for sphere, (_, core) in zip(spheres, sized(spheres, lumps.lung(spheres)), strict=True):
        assert core == pytest.approx(sphere.core.diameter_mm, abs=1.5)
    solid = lumps.row("solid", [10.0])
    assert sized(solid, lumps.lung(solid))[0][1] == 0


def test_a_vessel_that_leaves_does_not_count():
    """A tube of 1.2 mm through a nodule of 4 mm adds less than a tenth to its volume."""
    spheres = lumps.row("solid", [4.0])
    plain = lumps.lung(spheres)
    z, y, x = np.meshgrid(*[np.arange(n, dtype=float) for n in plain.grid.shape], indexing="ij")
    points = plain.grid.to_patient_array(np.stack([z, y, x], axis=-1).reshape(-1, 3)).reshape(*z.shape, 3)
    away = np.hypot(*(points - np.asarray(spheres[0].centre_mm))[..., :2].transpose(3, 0, 1, 2))
    tube = 0.75 * np.exp(-(away**2) / 2 / 0.55**2)
    hu = plain.hu + tube * np.maximum(40 - plain.hu, 0)
    through = Volume(hu=np.rint(hu).astype(np.int16), grid=plain.grid)
    (alone, _), (crossed, _) = sized(spheres, plain)[0], sized(spheres, through)[0]
    assert (crossed / alone) ** 3 == pytest.approx(1, abs=0.1)


def test_nothing_is_measured_as_nothing():
    """In plain lung a size stays a share of the detector's."""
    spheres = lumps.row("solid", [4.0])
    empty = lumps.lung(spheres)
    empty = Volume(hu=np.full_like(empty.hu, -860), grid=empty.grid)
    assert sized(spheres, empty)[0][0] == pytest.approx(0.2 ** (1 / 3) * 4.0)
