"""Windows on a fixed lattice of the model's grid.

Theory of operation. A level's grid is anchored in patient coordinates. A window owns a core, a box of
lattice positions, and carries a halo of at least half the receptive field around it; it begins and ends
at multiples of the graph's coarsest cell. So what the graph says of the core does not depend on where
windows begin. A peak belongs to the one window whose core holds its voxel. Windows may therefore be of
any size and run in any order, on any machine; nothing is merged across them, and nothing is counted
twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.core.resample import Box

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A core, and the halo (at least so many voxels on every side) that is computed and not owned."""

    core: Box
    halo: Triple
    multiple: Triple = (1, 1, 1)
    """Where windows may begin and end (`Level.multiple_voxels`)."""
    grain: Triple = (1, 1, 1)
    """Sides are multiples of it: an engine prepares itself anew for each shape that it has not seen."""

    @property
    def box(self) -> Box:
        """The lattice positions that the detector sees."""
        parts = list(zip(self.core.start, self.core.stop, self.halo, self.multiple, strict=True))
        z, y, x = ((a - h) // m * m for a, _, h, m in parts)
        d, h, w = (
            start + -(-(b + halo - start) // math.lcm(m, grain)) * math.lcm(m, grain)
            for (_, b, halo, m), start, grain in zip(parts, (z, y, x), self.grain, strict=True)
        )
        return Box(start=(z, y, x), stop=(d, h, w))

    def owns(self, positions: Floats) -> NDArray[np.bool_]:
        """Which of (N, 3) sub-voxel positions in the window's array belong to this core.

        Half-way between two voxels is the upper one's: rounding to even would depend on where the window
        begins, and two windows would both own such a peak, or neither.
        """
        voxels = np.floor(positions + 0.5).astype(np.int64) + np.asarray(self.box.start)
        inside = (voxels >= np.asarray(self.core.start)) & (voxels < np.asarray(self.core.stop))
        owned: NDArray[np.bool_] = inside.all(axis=1)
        return owned
