"""Nodules to learn from: exact in volume, faint as asked, nothing added to tissue."""

import numpy as np
import pytest
from scipy import ndimage

from millet.train.draw import KINDS, add, blurred_ball, look, share


def test_a_blurred_ball_is_a_ball_that_was_blurred() -> None:
    """The closed form against a numerical blur."""
    step, radius, sigma = 0.1, 1.5, 0.6
    line = np.arange(-50, 51) * step
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    ball = (z**2 + y**2 + x**2 <= radius**2).astype(float)
    blurred = ndimage.gaussian_filter(ball, sigma / step, truncate=6)[50, 50, 50:]
    r = np.maximum(line[50:], 1e-2).astype(np.float32)
    np.testing.assert_allclose(blurred_ball(r, radius, sigma), blurred, atol=0.01)


@pytest.mark.parametrize("across_mm", [0.5, 1.1])
@pytest.mark.parametrize("diameter_mm", [1.5, 3.0, 6.0])
def test_a_nodule_fills_its_volume(diameter_mm: float, across_mm: float) -> None:
    """Whatever its irregularity and the slice."""
    rng = np.random.default_rng(5)
    seen = look(rng, "solid", diameter_mm)
    line = np.arange(-30, 31).astype(np.float32) * np.float32(0.35)
    filled = share(seen, (line, line, line), (0.5, across_mm))
    volume = float(filled.sum()) * 0.35**3
    assert volume == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.12)


def test_a_faint_nodule_stands_out_as_far_as_asked_and_tissue_takes_none() -> None:
    """Its peak after blur is the contrast that was drawn."""
    rng = np.random.default_rng(6)
    seen = look(rng, "faint", 3.0)
    line = np.arange(-8, 9).astype(np.float32)
    lung = np.full((17, 17, 17), -850.0, np.float32)
    hu = lung.copy()
    assert add(hu, lung, seen, (line, line, line), (0.6, 0.6)) == pytest.approx(seen.faint_hu, rel=1e-3)
    assert float((hu - lung).max()) == pytest.approx(seen.faint_hu, rel=1e-3)
    tissue = np.zeros_like(lung)
    assert add(tissue, np.zeros_like(lung), seen, (line, line, line), (0.6, 0.6)) == 0
    assert not tissue.any()


def test_every_kind_can_be_drawn_and_looks_different_each_time() -> None:
    """No kind is one stamp."""
    rng = np.random.default_rng(7)
    for kind in KINDS:
        one, two = look(rng, kind, 4.0), look(rng, kind, 4.0)
        assert one.kind == kind
        assert (one.hu, one.faint_hu) != (two.hu, two.faint_hu)
        assert np.prod(one.axes) == pytest.approx(1.0)
