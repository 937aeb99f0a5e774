import lumps
import numpy as np
import pytest
from scipy import ndimage

from millet.core.levels import blur, levels, seen_at, seen_in_middle
from millet.core.voi import softened, vois

FINE_MM = 0.1


@pytest.mark.parametrize("diameter", [1.5, 3.0, 6.0])
def test_the_profile_of_a_blurred_ball_is_its_formula(diameter):
    """In the middle, at half the radius and at the edge, against a ball that is blurred numerically."""
    line = FINE_MM * np.arange(-50, 51)
    z, y, x = np.meshgrid(line, line, line, indexing="ij", sparse=True)
    ball = np.clip((diameter / 2 - np.sqrt(x * x + y * y + z * z)) / FINE_MM + 0.5, 0, 1)
    blurred = ndimage.gaussian_filter(ball, 0.5 / FINE_MM)
    assert seen_in_middle(np.asarray([diameter]), 0.5)[0] == pytest.approx(blurred[50, 50, 50], abs=0.02)
    for place in (diameter / 4, diameter / 2):
        shown = np.interp(place, line, blurred[50, 50])
        assert seen_at(np.asarray([place]), np.asarray([diameter]), 0.5)[0] == pytest.approx(shown, abs=0.02)


def found(spheres, volume):
    """Levels by nodule, in the order given."""
    blurred = blur(lumps.SCAN.fwhm_mm, lumps.SCAN.slice_mm, volume.grid.spacing_mm)
    each = {}
    for some in vois(volume, [s.centre_mm for s in spheres], [s.diameter_mm for s in spheres]):
        level = levels(some, softened(some.hu), blurred)
        for k, n in enumerate(some.members.tolist()):
            each[n] = {name: getattr(level, name)[k] for name in level.__slots__}
    return [each[n] for n in range(len(spheres))]


def test_tissue_and_lung_are_read_through_blur_and_noise():
    """From 3 mm on: tissue within three of its standard deviations, lung within 8 HU, noise by a third."""
    spheres = lumps.row("solid", [3.0, 4.0, 6.0, 10.0])
    for sphere, level in zip(spheres, found(spheres, lumps.lung(spheres)), strict=True):
        assert abs(level["middle"] - sphere.hu) < 3 * level["middle_sd"]
        assert level["background"] == pytest.approx(lumps.LUNG_HU, abs=8)
        assert level["noise"] == pytest.approx(30, rel=0.33)


def test_the_smaller_the_less_is_known():
    """The standard deviation of the tissue's HU falls with the size."""
    spheres = lumps.row("solid", [2.0, 4.0, 8.0])
    unsure = [level["middle_sd"] for level in found(spheres, lumps.lung(spheres))]
    assert unsure[0] > 2 * unsure[1] > 4 * unsure[2]


def test_a_rim_of_glass_is_told_from_the_rim_of_a_solid_nodule():
    """Also where the detector's radius is a quarter too large."""
    solid, cored = lumps.row("solid", [6.0, 8.0]), lumps.row("part_solid", [9.0, 12.0])
    for spheres, low, high in ((solid, -320, 300), (cored, -900, -330)):
        wide = [s.__class__(centre_mm=s.centre_mm, diameter_mm=1.25 * s.diameter_mm, hu=0.0) for s in spheres]
        rims = [level["rim"] for level in found(wide, lumps.lung(spheres))]
        assert all(low < rim < high for rim in rims), rims
