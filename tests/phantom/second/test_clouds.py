from __future__ import annotations

import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.phantom.second import clouds

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
GRID = Grid(shape=(40, 60, 60), spacing_mm=(1.0, 0.7, 0.7), origin_mm=PointMm(-20, -20, -20), axes=AXES)
WHOLE = slice(0, 40)


@pytest.mark.parametrize("diameter_mm", [0.3, 1.0, 3.0])
def test_a_tube_keeps_its_volume(diameter_mm):
    """However thin and however it lies, a tube fills its own volume."""
    start, end = np.asarray([[-12.0, -11.0, -12.0]]), np.asarray([[11.0, 7.0, 10.0]])
    tube = clouds.tubes(start, end, np.full((1, 2), diameter_mm / 2), 40.0).ordered()
    share, dense = clouds.deposit(tube, GRID, WHOLE)
    wanted = np.pi / 4 * diameter_mm**2 * np.linalg.norm(end - start)
    assert share.sum() * GRID.voxel_mm3 == pytest.approx(wanted, rel=0.03)
    assert np.unique(dense[share > 0]) == pytest.approx(40.0)


def test_a_wide_tube_is_full_inside():
    """Within a wide tube hardly a voxel is short of its share."""
    ends = np.asarray([[-12.0, 0.0, 0.0]]), np.asarray([[12.0, 0.0, 0.0]])
    tube = clouds.tubes(*ends, np.full((1, 2), 5.0), 40.0).ordered()
    share, _ = clouds.deposit(tube, GRID, WHOLE)
    z, y, x = (round(v) for v in GRID.to_index(PointMm(0, 0, 0)))
    inner = share[z - 2 : z + 3, y - 3 : y + 4, x - 8 : x + 9]
    assert inner.mean() > 0.93
    assert np.quantile(inner, 0.02) > 0.75


def test_planes_drawn_apart_are_the_planes_drawn_together():
    """A slab holds what the whole volume has there."""
    rng = np.random.default_rng(0)
    points = clouds.cloud(rng.uniform(-15, 15, (5000, 3)), np.full(5000, 0.05), 40.0).ordered()
    whole, _ = clouds.deposit(points, GRID, WHOLE)
    parts = [clouds.deposit(points, GRID, slice(k, k + 8))[0] for k in range(0, 40, 8)]
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-5)


def test_nothing_is_drawn_outside():
    """Points beyond the grid fill nothing."""
    far = clouds.cloud(np.asarray([[0, 0, 500.0], [400.0, 0, 0], [0, -90.0, 0]]), np.ones(3), 40.0)
    assert clouds.deposit(far.ordered(), GRID, WHOLE)[0].sum() == 0


def test_a_sheet_is_as_thick_as_asked():
    """A band's points fill an oval that thins towards its rim."""
    points = clouds.sheet(np.zeros(3), np.eye(3), (10.0, 5.0), 2.0, 0.0)
    assert np.abs(points).max(axis=0) == pytest.approx([10.0, 5.0, 1.0], abs=0.4)
    rim = np.hypot(points[:, 0] / 10, points[:, 1] / 5) > 0.9
    assert np.abs(points[rim, 2]).max() < 0.6
