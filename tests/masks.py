"""Lung masks and volumes made of numbers, for tests of windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from millet.core.analysis import Lungs
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import GRID_MM, LungMask

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))


def grid(shape, spacing_mm, origin_mm) -> Grid:
    """A canonical grid; the origin is (x, y, z)."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    return Grid(shape=shape, spacing_mm=spacing, origin_mm=PointMm(*origin_mm), axes=AXES)


def blobs(seed: int, shape: tuple[int, int, int] = (24, 22, 30)) -> NDArray[np.bool_]:
    """A few balls that may touch."""
    random = np.random.default_rng(seed)
    places = np.indices(shape)
    held = np.zeros(shape, bool)
    for _ in range(4):
        centre, radius = random.uniform(0, shape), random.uniform(2, 7)
        held |= sum((i - c) ** 2 for i, c in zip(places, centre, strict=True)) < radius**2
    return held


def mask_of(held: NDArray[np.bool_], origin_mm=(0.0, 0.0, 0.0)) -> LungMask:
    """A lung mask of one lung."""
    return LungMask(
        label=held.astype(np.uint8),
        hu=np.full(held.shape, -850, np.float32),
        grid=grid(held.shape, GRID_MM, origin_mm),
        litres=Lungs(right_l=1.0, left_l=0.0),
        cut_at_top=False,
        cut_at_base=False,
    )
