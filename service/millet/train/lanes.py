"""Filters of a volume whose rows are cut into lanes, as ONNX nodes.

An engine computes a convolution for 16 channels at once, and wastes fifteen of them on a volume that has one.
Here each row is first cut into blocks of 16 voxels, and a voxel's place in its block, its lane, is put on the
axis of channels: (1,1,D,H,W) becomes (1,16,D,H,blocks). A filter along z or y is then a convolution of each
channel by itself, and one along x a dense convolution over three neighbouring blocks. In memory an engine
keeps channels last, so the voxels stay where they were, and nothing is transposed.

Behind the last voxel of a row follow cells that no window has, fewer than three blocks: they are for nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.train.graph import Graph

LANES = 16
_SPAN = 3
"""Blocks that a filter along x reads; it reaches at most 16 voxels to either side."""

Kernel = NDArray[np.float64]


def cut(g: Graph, x: str, missing: int) -> str:
    """Cut the rows of (1,1,D,H,W) into lanes; the cells behind a row's last voxel hold 0.

    There are so many blocks that `along_x` with the same `missing` gives all voxels but that many at both
    ends of a row.
    """
    lanes = np.eye(LANES).reshape(LANES, 1, 1, 1, LANES)
    spare = _SPAN * LANES - 1 - 2 * missing
    return g.op("Conv", x, g.constant(lanes), strides=[1, 1, LANES], pads=[0, 0, 0, 0, 0, spare])


def along_x(g: Graph, x: str, kernel: Kernel, missing: int | None = None) -> str:
    """Filter along x; the first cell that comes out is the voxel `missing` of what went in.

    Without `missing` no voxel is lost, and there are zeros beyond the ends.
    """
    reach, pad = len(kernel) // 2, int(missing is None)
    dense = np.zeros((LANES, _SPAN * LANES))
    for lane in range(LANES):
        first = lane + (LANES if missing is None else missing) - reach
        dense[lane, first : first + len(kernel)] = kernel
    weights = dense.reshape(LANES, _SPAN, LANES).transpose(0, 2, 1)
    return g.op("Conv", x, g.constant(weights[:, :, None, None, :]), pads=[0, 0, pad] * 2)


def across_x(g: Graph, x: str, kernel: Kernel, *, padded: bool = False) -> str:
    """Filter each sagittal plane with (kz, ky) of odd sides; where padded, zeros lie around it."""
    depth, height = kernel.shape
    weights = np.broadcast_to(kernel[None, None, :, :, None], (LANES, 1, depth, height, 1))
    pads = [depth // 2, height // 2, 0] * 2 if padded else [0] * 6
    return g.op("Conv", x, g.constant(weights), group=LANES, pads=pads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume in lanes (1,16,D,H,blocks), to be read at integer voxels."""

    g: Graph
    volume: str
    values: str
    """The flat list of its values, lane by lane."""
    plane: str
    row: str
    lane: str
    """(1,) each: how far apart neighbours along z, along y and from lane to lane are in the list."""

    @classmethod
    def of(cls, g: Graph, x: str) -> Volume:
        """Make the volume readable."""
        depth, height, row = (g.op("Shape", x, start=axis, end=axis + 1) for axis in (2, 3, 4))
        plane = g.op("Mul", height, row)
        values = g.op("Reshape", x, g.whole([-1]))
        return cls(g=g, volume=x, values=values, plane=plane, row=row, lane=g.op("Mul", depth, plane))

    def in_row(self, x: str) -> str:
        """What x adds to a voxel's place in the list."""
        g, lanes = self.g, self.g.whole(LANES)
        block = g.op("Div", x, lanes)
        lane = g.op("Sub", x, g.op("Mul", block, lanes))
        return g.op("Add", g.op("Mul", lane, self.lane), block)

    def parts(self, voxels: str) -> str:
        """What each coordinate of voxels (N, 3, ...) adds to their places, in the same shape."""
        g = self.g
        z, y, x = (g.columns(voxels, axis, axis + 1) for axis in range(3))
        return g.op("Concat", g.op("Mul", z, self.plane), g.op("Mul", y, self.row), self.in_row(x), axis=1)

    def places(self, voxels: str) -> str:
        """(N,) the places in the list of voxels (N, 3)."""
        return self.g.sum(self.parts(voxels), 1)

    def read(self, places: str) -> str:
        """The values there."""
        return self.g.op("Gather", self.values, places, axis=0)
