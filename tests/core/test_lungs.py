from dataclasses import replace

import chests
import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import lungs, lungs_of
from millet.core.nodule import Side
from millet.core.volume import Volume

GRID = chests.grid()
RIGHT_L = 4 / 3 * np.pi * 50 * 75 * 78 / 1e6
LEFT_L = 4 / 3 * np.pi * 42 * 75 * 78 / 1e6


@pytest.fixture(scope="module")
def mask():
    """The lungs of the plain chest."""
    return lungs(chests.volume(GRID, chests.hu(GRID)))


def test_both_lungs_have_their_litres(mask):
    """Right and left volumes come within five per cent, without trachea, bowel gas or room air."""
    assert mask.litres.right_l == pytest.approx(RIGHT_L, rel=0.05)
    assert mask.litres.left_l == pytest.approx(LEFT_L, rel=0.05)
    assert not mask.cut_at_top
    assert not mask.cut_at_base


def test_a_volume_of_2_mm_may_be_handed_in(mask):
    """The mask of what was resampled elsewhere is the same; voxels of another size are refused."""
    again = lungs_of(mask.hu, mask.grid)
    assert np.array_equal(again.label, mask.label)
    assert again.litres == mask.litres
    with pytest.raises(ValueError, match=r"2\.5"):
        lungs_of(mask.hu, replace(mask.grid, spacing_mm=(2.5, 2.0, 2.0)))
    with pytest.raises(ValueError, match="grid"):
        lungs_of(mask.hu[1:], mask.grid)


def test_the_side_of_a_point_outside_is_that_of_the_nearest_voxel(mask):
    """Whether a few millimetres away or beyond the volume."""
    voxels = np.argwhere(mask.label)
    places = mask.grid.to_patient_array(voxels.astype(float))
    for point in np.random.default_rng(7).uniform(-300, 300, (40, 3)):
        nearest = int(mask.label[tuple(voxels[((places - point) ** 2).sum(axis=1).argmin()])])
        wanted = int(mask.at(point[None])[0]) or nearest
        assert mask.side(point) is (Side.RIGHT if wanted == 1 else Side.LEFT)


def test_without_lung_nothing_has_a_side(mask):
    """No side is made up."""
    with pytest.raises(ValueError, match="no lung"):
        replace(mask, label=np.zeros_like(mask.label)).side(np.zeros(3))


@pytest.mark.parametrize(
    ("shape", "spacing", "origin"),
    [
        ((30, 40, 50), (5.0, 4.0, 6.5), (-160, -90, -80)),
        ((100, 70, 90), (2.5, 1.3, 1.7), (-200.33, -40.23, -120.4)),
        ((1, 200, 260), (2.0, 1.0, 1.0), (-130, -100, 3)),
    ],
    ids=["coarser", "partly outside", "one plane"],
)
def test_the_labels_on_another_grid_are_those_at_its_points(mask, shape, spacing, origin):
    """Coarser, finer, a single plane, or partly outside: every voxel has the label at its centre."""
    on = chests.grid(shape, spacing, origin)
    points = on.to_patient_array(np.argwhere(np.ones(shape, bool)).astype(float))
    assert np.array_equal(mask.on(on).ravel(), mask.at(points))


def test_trachea_table_and_bowel_are_outside(mask):
    """Only lung is inside the mask."""
    outside = np.asarray([(0, -20, 70), (0, -60, -75), (0, 117, 0), (160, 0, 0), (0, 0, 400)], float)
    assert not mask.at(outside).any()


def test_sides_come_from_the_position(mask):
    """The patient's right lung has the smaller x; points outside take the nearer lung's side."""
    assert mask.side(np.asarray([-70.0, 0, 0])) is Side.RIGHT
    assert mask.side(np.asarray([70.0, 0, 0])) is Side.LEFT
    assert mask.side(np.asarray([130.0, 0, 0])) is Side.LEFT


def test_what_lies_in_a_lung_is_inside_the_mask():
    """A 40 mm mass, and a nodule on the pleura, are candidates' ground."""
    hu = chests.hu(GRID)
    hu[chests.ball(GRID, (70, 0, 0), 40)] = 40
    hu[chests.ball(GRID, (-116, 0, 0), 8)] = 40
    found = lungs(chests.volume(GRID, hu))
    assert found.at(np.asarray([(70, 0, 0), (-115, 0, 0)], float)).tolist() == [2, 1]


def test_touching_lungs_are_told_apart():
    """Lungs that meet before the heart are still two."""
    hu = chests.hu(GRID)
    hu[40:60, 55:62, 75:95] = -850
    found = lungs(chests.volume(GRID, hu))
    assert found.litres.left_l == pytest.approx(LEFT_L, rel=0.08)


def test_a_head_has_no_lung():
    """Sinuses and room air are no lung."""
    hu = np.where(chests.ball(GRID, (0, 0, 0), 170), 40.0, -1000.0)
    hu[chests.ball(GRID, (0, -50, 0), 30)] = -1000
    found = lungs(chests.volume(GRID, hu))
    assert not found.found
    assert not found.label.any()


@pytest.mark.parametrize(("part", "top", "base"), [(slice(0, 45), True, False), (slice(45, 90), False, True)])
def test_a_volume_that_ends_within_the_lungs_says_so(part, top, base):
    """Lung on the outermost slice means that lung is missing."""
    grid = chests.grid(shape=(45, 130, 170), origin=(-170.0, -130.0, -90.0 + 2.0 * part.start))
    found = lungs(chests.volume(grid, chests.hu(GRID)[part]))
    assert (found.cut_at_top, found.cut_at_base) == (top, base)


def test_feet_first_and_prone_change_nothing(mask):
    """The mask depends on the patient's coordinates, not on how slices were written."""
    straight = chests.volume(GRID, chests.hu(GRID))
    last = GRID.to_patient_array(np.asarray([[89, 129, 169]], float))[0]
    turned = Grid(
        shape=GRID.shape,
        spacing_mm=GRID.spacing_mm,
        origin_mm=PointMm(*last),
        axes=(Vector(0, 0, -1), Vector(0, -1, 0), Vector(-1, 0, 0)),
    )
    found = lungs(Volume(hu=straight.hu[::-1, ::-1, ::-1], grid=turned))
    assert found.litres == mask.litres
    assert np.array_equal(found.label, mask.label)


@pytest.mark.parametrize(("gone", "label"), [((-70, 0, 0), 2), ((70, 0, 0), 1)])
def test_one_lung_that_a_waist_divides_keeps_one_side(gone, label):
    """A lung that stands alone, held together by a waist alone, is not taken for two."""
    hu = chests.hu(GRID)
    x, y, z = chests.points(GRID)
    hu[(np.sign(x) == np.sign(gone[0])) & (hu < -800) & (hu > -900)] = 40
    hu[(abs(z) < 6) & ((abs(y) > 12) | (abs(abs(x) - 70) > 12)) & (hu < -800) & (hu > -900)] = 40
    found = lungs(chests.volume(GRID, hu))
    assert set(np.unique(found.label)) == {0, label}
