from __future__ import annotations

from dataclasses import replace

import exams
import numpy as np
import pytest
from masks import grid, mask_of

from millet.core.lung_outline import DENSE, KEPT, Outline, outline


def ball(radius_mm: float):
    """A mask of one ball around the origin, at 2 mm."""
    on = grid((60, 60, 60), 2.0, (-59.0, -59.0, -59.0))
    places = on.to_patient_array(np.argwhere(np.ones(on.shape, bool)).astype(float))
    held = (np.linalg.norm(places, axis=1) <= radius_mm).reshape(on.shape)
    return replace(mask_of(held), grid=on)


def test_points_lie_on_the_surface_and_look_outwards():
    """To half a millimetre on a ball of 40 mm, in voxels of 2 mm."""
    found = outline(ball(40.0))
    far = np.linalg.norm(found.points_mm, axis=1)
    assert np.abs(far - 40).mean() < 0.5
    assert ((found.outward * found.points_mm / far[:, None]).sum(axis=1) > 0.95).all()
    assert np.allclose(np.linalg.norm(found.outward, axis=1), 1)


@pytest.mark.parametrize("most", [KEPT, DENSE])
def test_both_lungs_share_the_points_by_their_surface(most):
    """No more than asked for, not many fewer, and spread over the whole height of each."""
    lungs = exams.made(5).prior.lungs
    found = outline(lungs, most)
    assert 0.8 * most < len(found.side) <= most
    for side in (1, 2):
        mine = found.points_mm[found.side == side]
        held = lungs.grid.to_patient_array(np.argwhere(lungs.label == side).astype(float))
        assert len(mine) > 0.3 * most
        assert np.allclose(np.quantile(mine, (0, 1), axis=0), np.quantile(held, (0, 1), axis=0), atol=15)


def test_where_the_volume_ends_there_is_no_pleura():
    """Lung that reaches the last slice has no surface there."""
    whole = ball(40.0)
    cut = replace(
        whole,
        label=whole.label[30:],
        hu=whole.hu[30:],
        grid=replace(
            whole.grid,
            shape=(30, 60, 60),
            origin_mm=type(whole.grid.origin_mm)(*whole.grid.to_patient_array(np.asarray([[30.0, 0, 0]]))[0]),
        ),
    )
    found = outline(cut)
    assert found.points_mm[:, 2].min() > cut.grid.origin_mm.z + 3
    assert np.abs(np.linalg.norm(found.points_mm, axis=1) - 40).max() < 1.5


def test_without_lungs_there_are_no_points():
    """Nothing found is nothing, not an error; lists that do not fit each other are one."""
    assert len(outline(mask_of(np.zeros((9, 9, 9), bool))).side) == 0
    with pytest.raises(ValueError, match="do not fit"):
        Outline(points_mm=np.zeros((2, 3)), outward=np.zeros((2, 3)), side=np.zeros(3, np.uint8))
