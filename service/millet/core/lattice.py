"""Windows on a fixed lattice of the model's grid.

Theory of operation. A level's grid is anchored in patient coordinates, and so are the cores of its
windows: core n covers lattice positions n * size to (n + 1) * size. Each window carries a halo of at
least half the receptive field around its core, so what the graph says of the core does not depend on
where windows begin. A peak belongs to the one window whose core holds its voxel. Windows may
therefore be of any size and run in any order, on any machine; nothing is merged across them, and
nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.core.resample import Box

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A core, and the halo (voxels on every side) that is computed with it and not owned."""

    core: Box
    halo: Triple

    @property
    def box(self) -> Box:
        """The lattice positions that the detector sees."""
        z, y, x = (a - h for a, h in zip(self.core.start, self.halo, strict=True))
        shape = [n + 2 * h for n, h in zip(self.core.shape, self.halo, strict=True)]
        return Box(start=(z, y, x), stop=(z + shape[0], y + shape[1], x + shape[2]))

    def owns(self, positions: Floats) -> NDArray[np.bool_]:
        """Which of (N, 3) sub-voxel positions in the window's array belong to this core."""
        voxels = np.rint(positions).astype(np.int64) + np.asarray(self.box.start)
        inside = (voxels >= np.asarray(self.core.start)) & (voxels < np.asarray(self.core.stop))
        owned: NDArray[np.bool_] = inside.all(axis=1)
        return owned


def windows(box: Box, core: Triple, halo: Triple) -> Iterator[Window]:
    """The windows whose cores fill `box`, clipped to it, in order of z, y, x."""
    numbers = [range(a // size, -(-b // size)) for a, b, size in zip(box.start, box.stop, core, strict=True)]
    for number in product(*numbers):
        start = [max(n * size, a) for n, size, a in zip(number, core, box.start, strict=True)]
        stop = [min((n + 1) * size, b) for n, size, b in zip(number, core, box.stop, strict=True)]
        clipped = Box(start=(start[0], start[1], start[2]), stop=(stop[0], stop[1], stop[2]))
        yield Window(core=clipped, halo=halo)
