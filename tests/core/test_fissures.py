"""Fissures as surfaces: where they are found, how far they are trusted, and where they are not found."""

from __future__ import annotations

from dataclasses import replace

import fissured
import numpy as np
import pytest

from millet.core import fissures
from millet.core.columns import LEVEL, OBLIQUE, columns
from millet.core.fissures import LEFT, RIGHT, horizontal, oblique, stands_out
from millet.core.relief import Relief, Step, _paths
from millet.core.ridges import lifted, ridges
from millet.core.spline import ROUNDS, Spline


@pytest.fixture(scope="module")
def chest():
    """A chest with three fissures."""
    return fissured.chest(seed=2)


@pytest.fixture(scope="module")
def found(chest):
    """Its oblique ones."""
    return {label: oblique(chest.planes, chest.grid, chest.lungs, label) for label in (RIGHT, LEFT)}


@pytest.mark.parametrize("label", [RIGHT, LEFT], ids=["right", "left"])
def test_an_oblique_fissure_lies_where_it_was_drawn(found, label):
    """All of what is seen lies within 2 mm of it, most within half a millimetre."""
    points, normals = found[label].samples()
    error = np.abs(fissured.oblique_mm(points))
    assert len(points) > 150
    assert np.median(error) < 0.5
    assert np.percentile(error, 99) < 2.0
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(points)))
    assert (normals[:, 2] > 0).all()


@pytest.mark.parametrize("label", [RIGHT, LEFT], ids=["right", "left"])
def test_heights_over_it_are_signed_distances(found, label):
    """Positive above, in mm across the surface."""
    points = fissured.points_in(label, 500, seed=8)
    true = fissured.oblique_mm(points)
    near = np.abs(true) < 10
    assert np.abs(found[label].over_mm(points) - true)[near] == pytest.approx(0, abs=2.5)
    far = np.abs(true) > 5
    assert (np.sign(found[label].over_mm(points)) == np.sign(true))[far].all()


def test_a_horizontal_fissure_lies_where_it_was_drawn(chest, found):
    """It is found in what lies above the oblique one."""
    level = horizontal(chest.planes, chest.grid, chest.lungs, found[RIGHT])
    assert level is not None
    points, _ = level.samples()
    assert np.median(np.abs(fissured.level_mm(points))) < 0.5
    assert (fissured.oblique_mm(points) > 0).mean() > 0.97


def test_an_incomplete_fissure_is_doubted_where_it_is_missing():
    """Doubt grows away from what supports it, and little is seen farther than that reaches."""
    drawn = fissured.chest(seed=3, gap_below_mm=-5.0)
    half = oblique(drawn.planes, drawn.grid, drawn.lungs, RIGHT)
    assert half is not None
    here, gone = np.asarray([(-68.0, 25.0, 20.0)]), np.asarray([(-68.0, -45.0, -60.0)])
    assert half.doubt_at_mm(here)[0] == pytest.approx(fissures.DOUBT_MM)
    assert half.doubt_at_mm(gone)[0] > fissures.DOUBT_MM + 3
    points, _ = half.samples()
    assert (points[:, 2] > -5.0 - fissures.REACH_MM).mean() > 0.75


def test_half_a_lung_and_none(chest):
    """Too little lung has no columns; a volume at another step is refused."""
    low = chest.lungs.label.copy()
    low[20:] = 0
    cut = replace(chest.lungs, label=low)
    assert oblique(chest.planes, chest.grid, cut, RIGHT) is None
    wrong = replace(chest.grid, spacing_mm=(2.0, 2.0, 2.0))
    with pytest.raises(ValueError, match=r"1\.0 mm"):
        columns(chest.planes, wrong, chest.lungs, RIGHT, OBLIQUE)


@pytest.mark.parametrize("cells", [40, 320, 2000])
@pytest.mark.parametrize("contrast", [0.2, 0.5, 1.1])
def test_small_surfaces_have_to_stand_out_more(cells, contrast):
    """What chance reaches grows as the cells get fewer."""
    crossed = np.zeros((50, 50), bool)
    crossed.ravel()[:cells] = True
    one = Relief(np.zeros(crossed.shape), np.zeros(crossed.shape), crossed, contrast)
    wanted = fissures.LEAST_CONTRAST * max((fissures.FEW_CELLS / cells) ** 0.5, 1)
    assert stands_out(one) is (contrast >= wanted)


@pytest.mark.parametrize("view", [OBLIQUE, LEVEL], ids=["oblique", "level"])
def test_cells_are_means_of_the_voxels_that_they_say(chest, view):
    """Frames go to points and back, and a cell's voxels lie about its point."""
    seen = columns(chest.planes, chest.grid, chest.lungs, LEFT, view)
    rng = np.random.default_rng(1)
    cells = np.argwhere(seen.lung)[rng.choice(seen.lung.sum(), 200)]
    points = seen.frame.to_points(cells.astype(float))
    assert seen.frame.to_cells(points) == pytest.approx(cells, abs=1e-9)
    assert (chest.lungs.at(points) == LEFT).all()
    voxels = np.rint(chest.grid.to_index_array(points - 1e-3)).astype(int)
    raw = np.asarray([chest.planes[z][y, x] for z, y, x in voxels]) - fissured.LUNG
    near = np.clip(raw, -120, 30)
    assert np.corrcoef(near, seen.hu[tuple(cells.T)])[0, 1] > 0.5


def test_sheets_are_strong_and_vessels_are_not(chest):
    """Along the drawn fissure strength is near its top; of all other cells few are."""
    seen = columns(chest.planes, chest.grid, chest.lungs, LEFT, OBLIQUE)
    strong = ridges(seen)
    cells = np.argwhere(strong.looked)
    far = np.abs(fissured.oblique_mm(strong.frame.to_points(cells.astype(float))))
    strength = strong.strength[tuple(cells.T)]
    assert np.median(strength[far < 0.7]) > 0.8
    assert np.percentile(strength[far > 6], 95) < 0.6


def test_lifting_by_whole_and_half_heights():
    """The ends repeat; half a height is the mean of two."""
    line = np.arange(6, dtype=np.float32)[None, None]
    assert lifted(line, 2)[0, 0].tolist() == [2, 3, 4, 5, 5, 5]
    assert lifted(line, -1)[0, 0].tolist() == [0, 0, 1, 2, 3, 4]
    assert lifted(line, 0.5)[0, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5]


def test_a_spline_goes_on_straight_and_leaves_outliers_out():
    """A plane is kept across a gap, whatever a tenth of the cells say."""
    spline = Spline.over((40, 20), np.asarray([5.7, 6.0]))
    rows, columns_ = np.meshgrid(np.arange(40.0), np.arange(20.0), indexing="ij")
    plane = 30 + 0.5 * rows - 0.8 * columns_
    rng = np.random.default_rng(0)
    heights = plane + np.where(rng.uniform(size=plane.shape) < 0.1, 25, 0)
    weights = np.where((rows > 12) & (rows < 22), 0.0, 1.0)
    assert spline.fit(heights, weights, 1.0, 2.0) == pytest.approx(plane, abs=0.3)


def test_a_surface_is_that_of_all_its_equations_written_down():
    """The sums along rows and columns are those of the whole basis, to rounding."""
    rng = np.random.default_rng(5)
    spline = Spline.over((31, 24), np.asarray([4.0, 6.0]))
    heights = rng.normal(0, 3, (31, 24)) + np.linspace(0, 20, 24)
    weights = np.where(rng.random((31, 24)) > 0.3, rng.random((31, 24)), 0.0)
    basis = np.kron(spline.down, spline.across)
    weight = weights.ravel()
    for _ in range(ROUNDS):
        normal = basis.T @ (basis * weight[:, None]) + 0.5 * spline.bending + 1e-6 * np.eye(basis.shape[1])
        dense = basis @ np.linalg.solve(normal, basis.T @ (weight * heights.ravel()))
        weight = weights.ravel() / (1 + ((heights.ravel() - dense) / 2.0) ** 2) ** 2
    found = spline.fit(heights, weights, 0.5, 2.0)
    assert found == pytest.approx(dense.reshape(31, 24), abs=1e-9)


def test_paths_of_many_slabs_are_those_of_each_alone():
    """From four sides, each step paid by its height up to a most; what another slab holds changes nothing."""
    costs = np.random.default_rng(6).random((3, 6, 5, 7)).astype(np.float32)
    step = Step(3, 0.1, 0.35, 1.0, 1.0)
    found = _paths(costs, step)
    for number in range(3):
        assert np.array_equal(_paths(costs[number : number + 1], step)[0], found[number])
    ways = [_one_way(np.moveaxis(costs[0], axis, 0)[::way], step) for axis in (0, 1) for way in (1, -1)]
    ways = [np.moveaxis(ways[k][:: (1, -1)[k % 2]], 0, k // 2) for k in range(4)]
    assert found[0] == pytest.approx(np.sum(ways, axis=0), abs=1e-5)


def _one_way(lines, step):
    """Least costs to come to each height, cell after cell, every step looked at."""
    heights = np.arange(lines.shape[-1])
    price = np.minimum(step.bend * np.abs(heights[:, None] - heights), step.jump)
    found = [lines[0].astype(float)]
    for line in lines[1:]:
        before = found[-1][..., None, :]
        found.append(line + (before + price).min(axis=-1) - before.min(axis=-1))
    return np.stack(found)
