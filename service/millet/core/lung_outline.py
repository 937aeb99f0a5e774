"""The surface of the lungs as a few hundred points, for a later exam to be laid over this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Mask
from millet.core.components import extent
from millet.core.geometry import Floats

if TYPE_CHECKING:
    from millet.core.lungs import LungMask  # which loads torch

KEPT = 500
"""Points that are stored of an exam: one for every 4 cm2 of an adult's lungs."""
DENSE = 4000
"""Points of the exam that others are laid over, so that nobody's nearest one lies far along the surface."""
_REACH = 2
_SIGMA = 1.2
"""Of the Gaussian, in voxels, whose slope is the direction of the surface."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """Points on the pleura, in patient mm (LPS), where the exam shows it: not where its volume ends."""

    points_mm: Floats
    """(N, 3)"""
    outward: Floats
    """(N, 3), of unit length, out of the lung."""
    side: NDArray[np.uint8]
    """(N,), 1 right, 2 left."""

    def __post_init__(self) -> None:
        count = len(self.side)
        if self.points_mm.shape != (count, 3) or self.outward.shape != (count, 3):
            raise ValueError(f"{self.points_mm.shape}, {self.outward.shape} and {self.side.shape} do not fit")

    @classmethod
    def nothing(cls) -> Outline:
        """Of an exam whose lungs nobody kept."""
        return cls(points_mm=np.zeros((0, 3)), outward=np.zeros((0, 3)), side=np.zeros(0, np.uint8))


def outline(lungs: LungMask, most: int = KEPT) -> Outline:
    """At most so many points of both lungs together, evenly spread over their surfaces."""
    rims = {side: _rim(lungs.label == side) for side in (1, 2)}
    every = max(-(-sum(map(len, rims.values())) // most), 1)
    parts = [(side, *_surface(lungs, side, rim[every // 2 :: every])) for side, rim in rims.items()]
    points, outward = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    side = np.concatenate([np.full(len(part[1]), part[0], np.uint8) for part in parts])
    return Outline(points_mm=points, outward=outward, side=side)


def _rim(lung: Mask) -> NDArray[np.int64]:
    """(N, 3) voxels that have a neighbour outside, clear of the first and last slices of the volume."""
    box = extent(lung)
    if box is None:
        return np.zeros((0, 3), np.int64)
    padded = np.pad(lung[box], 1)
    core = padded[1:-1, 1:-1, 1:-1]
    inner = core.copy()
    for axis in range(3):
        for step in (0, 2):
            inner &= padded[
                tuple(slice(step, step + n) if k == axis else slice(1, -1) for k, n in enumerate(core.shape))
            ]
    found = np.argwhere(core & ~inner) + [side.start for side in box]
    seen = (found[:, 0] > _REACH) & (found[:, 0] < lung.shape[0] - 1 - _REACH)
    return np.asarray(found[seen], np.int64)


def _surface(lungs: LungMask, side: int, voxels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Where a softened mask is one half next to each voxel, and which way it falls there."""
    line = np.arange(-_REACH, _REACH + 1)
    around = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    weight = np.exp(-(around**2).sum(axis=1) / (2 * _SIGMA**2))
    weight /= weight.sum()
    at = np.clip(voxels[:, None] + around, 0, np.asarray(lungs.label.shape) - 1)
    held = (lungs.label[at[..., 0], at[..., 1], at[..., 2]] == side).astype(float)
    level = held @ weight
    rise = held @ (around * weight[:, None]) / _SIGMA**2
    steep = np.maximum(np.linalg.norm(rise, axis=1, keepdims=True), 1e-6)
    shift = np.clip((level[:, None] - 0.5) / steep, -1.5, 1.5)
    axes = np.asarray(lungs.grid.axes, float)
    outward = -rise / steep
    points = lungs.grid.to_patient_array(voxels + outward * shift)
    return points, np.asarray(outward @ axes, float)
