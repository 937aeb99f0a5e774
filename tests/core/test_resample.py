import numpy as np
import pytest
import SimpleITK

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.resample import Box, lattice_box, lattice_grid, resample
from millet.core.volume import Volume, canonical

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
SOURCE = Grid(
    shape=(20, 31, 37), spacing_mm=(2.5, 0.9, 0.83), origin_mm=PointMm(-11.3, 7.7, -101.2), axes=AXES
)


def noise(grid=SOURCE):
    """White noise on a grid."""
    return Volume(hu=np.random.default_rng(1).uniform(-1000, 400, grid.shape).astype(np.float32), grid=grid)


def itk(volume, grid):
    """The reference: SimpleITK, linear."""
    image = SimpleITK.GetImageFromArray(volume.hu.astype(np.float64))
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin_mm)
    size = [int(n) for n in grid.shape[::-1]]
    out = SimpleITK.Resample(
        image, size, SimpleITK.Transform(), SimpleITK.sitkLinear, grid.origin_mm, grid.spacing_mm[::-1]
    )
    return SimpleITK.GetArrayFromImage(out)


def test_a_finer_grid_is_interpolated_as_simpleitk_does():
    """Linear interpolation agrees with SimpleITK to 0.01 HU."""
    grid = lattice_grid(SOURCE, (0.8, 0.8, 0.8), lattice_box(SOURCE, (0.8, 0.8, 0.8)))
    assert np.abs(resample(noise(), grid).hu - itk(noise(), grid)).max() < 0.01


def test_a_coarser_grid_is_averaged():
    """White noise loses variance on a coarser grid, a constant and a ramp lose nothing."""
    grid = lattice_grid(SOURCE, (6.0, 6.0, 6.0), Box(start=(-15, 3, 0), stop=(-11, 5, 2)))
    assert resample(noise(), grid).hu.std() < noise().hu.std() / 5
    ramp = np.broadcast_to(np.arange(31, dtype=np.float32)[None, :, None], SOURCE.shape)
    index = (grid.origin_mm.y + 6.0 * np.arange(2) - 7.7) / 0.9
    found = resample(Volume(hu=ramp.copy(), grid=SOURCE), grid).hu[0, :, 0]
    assert np.allclose(found, index, atol=0.1)


def test_beyond_the_rim_the_nearest_voxel_is_repeated():
    """A halo outside the volume holds the outermost slice."""
    grid = lattice_grid(SOURCE, (0.8, 0.8, 0.8), Box(start=(-200, 12, 0), stop=(-190, 14, 2)))
    found = resample(noise(), grid).hu
    assert np.array_equal(found[0], found[-1])


@pytest.mark.parametrize("flips", [(1, 1, -1), (-1, 1, 1), (-1, -1, -1)])
def test_the_lattice_does_not_know_how_slices_were_sent(flips):
    """Flipped rows, columns and slices give the same voxels on the lattice."""
    straight = noise()
    axes = tuple(Vector(*(np.asarray(a) * f)) for a, f in zip(AXES, flips, strict=True))
    origin = SOURCE.to_patient_array(
        np.asarray([[0 if f > 0 else n - 1 for f, n in zip(flips, SOURCE.shape, strict=True)]], float)
    )[0]
    turned = canonical(
        Volume(
            hu=straight.hu[:: flips[0], :: flips[1], :: flips[2]],
            grid=Grid(
                shape=SOURCE.shape, spacing_mm=SOURCE.spacing_mm, origin_mm=PointMm(*origin), axes=axes
            ),
        )
    )
    spacing = (0.8, 0.8, 0.8)
    assert lattice_box(turned.grid, spacing) == lattice_box(SOURCE, spacing)
    grids = [lattice_grid(g, spacing, lattice_box(g, spacing)) for g in (SOURCE, turned.grid)]
    assert np.allclose(resample(straight, grids[0]).hu, resample(turned, grids[1]).hu, atol=1e-3)


def test_other_axes_are_refused():
    """Resampling never turns a volume."""
    with pytest.raises(ValueError, match="same axes"):
        resample(
            noise(), Grid(shape=(2, 2, 2), spacing_mm=(1, 1, 1), origin_mm=PointMm(0, 0, 0), axes=AXES[::-1])
        )
