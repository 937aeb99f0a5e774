"""An instance in its place among the slices of its series."""

from __future__ import annotations

import numpy as np

from millet.core import gate
from millet.core.geometry import Floats, Grid
from millet.core.placing import Frame
from millet.core.reasons import Weight
from millet.core.slices import Layer
from millet.core.split import is_slice
from millet.core.stack import plane_grid
from millet.core.volume import canonical_grid, upright
from millet.flow.shelf import Taken


def layer_and_frame(taken: Taken) -> tuple[Frame, Layer] | None:
    """A slice and its frame, None for what cannot be a slice of what is analysed."""
    header = taken.header
    if header is None or not is_slice(header) or not isinstance(taken.voxels, np.ndarray):
        return None
    if any(remark.weight is Weight.REFUSES for remark in gate.judge([header])):
        return None
    grid = plane_grid(header)
    try:
        axis = np.asarray(canonical_grid(grid).axes[0], float)
        return Frame.of(grid), layer_of(taken, grid, axis)
    except ValueError:
        return None


def layer_of(taken: Taken, lies: Grid, axis: Floats) -> Layer:
    """A slice in its place; it lies as `lies`, and `axis` is the way to the head."""
    assert taken.header is not None  # noqa: S101 - it is a slice
    height = float(axis @ np.asarray(taken.header.position_mm, float))
    return Layer(name=taken.name, height_mm=round(height, 6), hu=upright(taken.hu, lies))
