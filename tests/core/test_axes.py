from dataclasses import replace

import chests
import numpy as np
import pytest

from millet.core.geometry import PointMm, Vector
from millet.core.levels import blur
from millet.core.traits import examined
from millet.core.voi import vois
from millet.core.volume import Volume

GRID = chests.grid(shape=(50, 70, 70), spacing=(1.0, 0.7, 0.7), origin=(-24.3, -24.1, -24.6))
TURNED = np.deg2rad(30)


def ellipsoid(halfs):
    """A block of lung with a body of tissue, its axes turned in the axial plane by 30 degrees."""
    starts = GRID.origin_mm[::-1]
    fine = [
        np.arange(n * 2) * s / 2 + o - s / 4
        for n, s, o in zip(GRID.shape, GRID.spacing_mm, starts, strict=True)
    ]
    z, y, x = np.meshgrid(*fine, indexing="ij", sparse=True)
    along, across = x * np.cos(TURNED) + y * np.sin(TURNED), -x * np.sin(TURNED) + y * np.cos(TURNED)
    inside = (along / halfs[0]) ** 2 + (across / halfs[1]) ** 2 + (z / halfs[2]) ** 2 <= 1
    share = inside.reshape(50, 2, 70, 2, 70, 2).mean(axis=(1, 3, 5))
    return chests.volume(GRID, -860 + 900 * share, noise_hu=15)


def axes(volume, diameter):
    """Of the nodule in the middle."""
    (some,) = vois(volume, [PointMm(0.3, -0.2, 0.2)], [diameter])
    (found,) = examined(some, blur(1.2, 1.0, volume.grid.spacing_mm)).traits
    return found.axes


@pytest.mark.parametrize("halfs", [(4.0, 3.0, 3.0), (6.0, 4.0, 5.0), (9.0, 6.0, 6.0)])
def test_the_axes_of_an_ellipsoid(halfs):
    """Lengths within half a millimetre, the direction within 12 degrees, at right angles, in one slice."""
    found = axes(ellipsoid(halfs), 2 * float(np.prod(halfs)) ** (1 / 3))
    assert found.long_axis_mm == pytest.approx(2 * halfs[0], abs=0.5)
    assert found.short_axis_mm == pytest.approx(2 * halfs[1], abs=0.5)
    long, short = (np.subtract(*ends) for ends in (found.long_mm, found.short_mm))
    assert abs(long @ short) < 1e-6 * found.long_axis_mm * found.short_axis_mm
    way = long / found.long_axis_mm
    assert abs(way @ (np.cos(TURNED), np.sin(TURNED), 0)) > np.cos(np.deg2rad(12))
    assert len({round(point.z, 6) for point in (*found.long_mm, *found.short_mm)}) == 1
    assert abs(found.long_mm[0].z) < 1.5


def test_axes_lie_in_the_patient_however_the_volume_is_stored():
    """A volume whose rows run backwards and whose slices begin at the head has the same axes."""
    volume = ellipsoid((6.0, 4.0, 5.0))
    last = GRID.to_patient_array(np.asarray([[n - 1 for n in GRID.shape]], float))[0]
    flipped = replace(
        GRID, origin_mm=PointMm(*last), axes=(Vector(0, 0, -1), Vector(0, -1, 0), Vector(-1, 0, 0))
    )
    other = Volume(hu=np.ascontiguousarray(volume.hu[::-1, ::-1, ::-1]), grid=flipped)
    for one, same in zip(axes(volume, 10.0).long_mm, axes(other, 10.0).long_mm, strict=True):
        assert np.allclose(one, same, atol=1e-6)
