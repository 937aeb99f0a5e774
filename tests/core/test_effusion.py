from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from millet.core.effusion import effusions
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import lungs
from millet.core.nodule import Side
from millet.core.volume import Volume


def chest(depth_mm: float, side: Side | None, fluid_hu: float = 8.0) -> Volume:
    """Two lungs in a box of muscle within a shell of bone, fluid behind one of them; 2 mm voxels."""
    hu = np.full((90, 130, 170), -1000.0, np.float32)
    hu[:, 10:-10, 10:-10] = 50.0
    hu[:, 20:24, 20:-20] = hu[:, -24:-20, 20:-20] = 400.0
    hu[:, 20:-20, 20:24] = hu[:, 20:-20, -24:-20] = 400.0
    hu[5:85, 28:102, 28:74] = hu[5:85, 28:102, 96:142] = -850.0
    if side is not None:
        columns = slice(96, 142) if side is Side.LEFT else slice(28, 74)
        hu[10:50, 102 - round(depth_mm / 2) : 102, columns] = fluid_hu
    noise = np.random.default_rng(1).normal(0, 20, hu.shape)
    hu = (ndimage.gaussian_filter(hu, 0.5) + noise).astype(np.float32)
    grid = Grid(
        shape=hu.shape,
        spacing_mm=(2.0, 2.0, 2.0),
        origin_mm=PointMm(-170.0, -130.0, -90.0),
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )
    return Volume(hu=hu, grid=grid)


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_fluid_behind_a_lung_is_found_on_its_side(side):
    """A layer of fluid between one lung and the ribs is an effusion of that side, its volume about right."""
    volume = chest(20.0, side)
    found = effusions(lungs(volume))
    assert [effusion.side for effusion in found] == [side]
    true_ml = 40 * 10 * 46 * 8 / 1000
    assert 0.5 * true_ml < found[0].volume_ml < 1.3 * true_ml


@pytest.mark.parametrize(
    ("depth_mm", "side", "hu"),
    [(0.0, None, 0.0), (4.0, Side.LEFT, 8.0), (20.0, Side.LEFT, 55.0), (20.0, Side.LEFT, -100.0)],
    ids=["none", "a film", "muscle", "fat"],
)
def test_what_is_no_fluid_is_no_effusion(depth_mm, side, hu):
    """Muscle, fat and a thin film behind a lung are not reported."""
    volume = chest(depth_mm, side, hu)
    assert effusions(lungs(volume)) == ()
