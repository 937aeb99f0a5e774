"""Projections of the lungs from all around, for a picture that turns: coarse, so that it costs little.

Theory of operation. The brightest voxel of each 2 mm block is kept while planes go by, so that what is small
stays as bright as it was. A column of blocks turns as a whole about the axis of the body, so each view takes
the nearest column for each point of a level plane and the brightest along the line of sight. Rays have no
direction in such a projection: the second half turn is the first one, seen in a mirror.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid

COARSE_MM = 2.0
PITCH = 0.7
"""Of points to blocks, below the square root of a half: however a block is turned, a point falls into it."""
VIEWS = 36
"""Of a full turn."""
Box = tuple[slice, slice, slice]
Grey8 = NDArray[np.uint8]
Window = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Turned(NamedTuple):
    """The views of a turn: grey 0..255 (view, row, column), the uppermost row first.

    View 0 is from the front; each next one is from a place further round by way of the patient's left.
    """

    grey: Grey8
    step_mm: tuple[float, float]
    """Of rows, downwards, and columns."""
    top: float
    """Volume index z of the first row."""
    axis: tuple[float, float]
    """Volume index (y, x) of the axis, which is the middle of the columns."""
    grid: Grid
    """Of the volume."""

    @property
    def angles_deg(self) -> tuple[float, ...]:
        """How far round each view is from."""
        return tuple(360.0 * view / len(self.grey) for view in range(len(self.grey)))

    def places(self, view: int, indices: Floats) -> Floats:
        """(N, 2) fractional rows and columns in a view of (N, 3) volume indices (z, y, x)."""
        z_mm, y_mm, x_mm = self.grid.spacing_mm
        turn = np.deg2rad(self.angles_deg[view])
        along = (indices[:, 2] - self.axis[1]) * x_mm * np.cos(turn)
        along += (indices[:, 1] - self.axis[0]) * y_mm * np.sin(turn)
        rows = (self.top - indices[:, 0]) * z_mm / self.step_mm[0]
        columns = along / self.step_mm[1] + (self.grey.shape[2] - 1) / 2
        return np.stack([rows, columns], axis=1)


class Pool:
    """The brightest voxel of each block of a box of the volume, filled plane by plane.

    Blocks are whole: what is left over at the far end of the box, less than one of them, is not seen.
    """

    def __init__(self, grid: Grid, box: Box) -> None:
        self._grid = grid
        self._box = box
        sizes = [side.stop - side.start for side in box]
        wanted = [max(1, round(COARSE_MM / spacing_mm)) for spacing_mm in grid.spacing_mm]
        self._steps = [min(step, size) for step, size in zip(wanted, sizes, strict=True)]
        shape = [size // step for size, step in zip(sizes, self._steps, strict=True)]
        self._hu = np.full(shape, -np.inf, np.float32)

    def add(self, z: int, plane_hu: NDArray[np.float32]) -> None:
        """Take one plane (y, x) of the box."""
        step, down, across = self._steps
        levels, rows, columns = self._hu.shape
        level = (z - self._box[0].start) // step
        if level >= levels:
            return
        lines = plane_hu[: rows * down : down]
        for k in range(1, down):
            lines = np.maximum(lines, plane_hu[k : rows * down : down])
        for k in range(across):
            np.maximum(self._hu[level], lines[:, k : columns * across : across], out=self._hu[level])

    def turned(self, window: Window, views: int = VIEWS) -> Turned:
        """All views; `window` makes grey 0..1 of HU, `views` is even."""
        z_mm, y_mm, x_mm = (n * mm for n, mm in zip(self._steps, self._grid.spacing_mm, strict=True))
        levels, rows, columns = self._hu.shape
        pitch_mm = PITCH * min(y_mm, x_mm)
        side = int(np.ceil(np.hypot(rows * y_mm, columns * x_mm) / pitch_mm))
        steps_mm = (np.arange(side) - (side - 1) / 2) * pitch_mm
        grey = (window(self._hu) * 255).astype(np.uint8).reshape(levels, -1)
        blocks = np.zeros((rows * columns + 1, levels), np.uint8)
        blocks[:-1] = grey.T
        half = np.empty((views // 2, levels, side), np.uint8)
        for view in range(views // 2):
            turn = 2 * np.pi * view / views
            x = steps_mm * np.cos(turn) - steps_mm[:, None] * np.sin(turn)
            y = steps_mm * np.sin(turn) + steps_mm[:, None] * np.cos(turn)
            x, y = x / x_mm + (columns - 1) / 2, y / y_mm + (rows - 1) / 2
            x, y = np.floor(x + 0.5), np.floor(y + 0.5)  # np.rint would skip every other one of exact halves
            within = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            column = np.where(within, y * columns + x, len(blocks) - 1).astype(np.int64)
            half[view] = blocks[column].max(axis=0).T[::-1]
        return Turned(
            grey=np.concatenate([half, half[:, :, ::-1]]),
            step_mm=(z_mm, pitch_mm),
            top=self._middle(0, levels - 1),
            axis=(self._middle(1, (rows - 1) / 2), self._middle(2, (columns - 1) / 2)),
            grid=self._grid,
        )

    def _middle(self, axis: int, block: float) -> float:
        """The volume index of the middle of a block."""
        step = self._steps[axis]
        return float(self._box[axis].start + block * step + (step - 1) / 2)
