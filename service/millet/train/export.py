"""From a trained network to graphs that say where nodules are: fp32 and fp16, peaks included.

1. HU are cut to the range, scaled to -1..1, and 2x2x2 voxels become eight channels.
2. The network, without padding (`trimmed`): what it leaves is the window less a margin on every side.
3. A voxel whose heat logit is the largest of its 3x3x3 neighbourhood and above the floor is a peak. Logits
   are compared, not probabilities, which are all 1 from a logit of 17 on. Of neighbours that are exactly
   equal only the first (in order of z, y, x) can be a peak, so a plateau does not become many (`peaks`).
4. Offset and diameter are read at the peaks alone.

There is no TopK, no suppression by overlap, no pooling over the window and no limit on the number of peaks.
Batch and window size are free; sides are multiples of the network's coarsest cell. The outputs are those of
every graph of ours, and `window`, which of the batch each peak lies in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from millet.train import peaks
from millet.train.graph import OPSET, Graph
from millet.train.net import LOG_DIAMETER_PRIOR, OFFSET_REACH, OUTPUTS, Net
from millet.train.trimmed import Tensor, Walk

BLOCK = peaks.BLOCK
"""Side of the blocks of voxels that the network takes as channels and gives as channels."""
REACH = 0.49
"""The most that a peak's position lies off its voxel, so that rounding gives the voxel."""


class Body(nn.Module):
    """The network between blocks of voxels as channels and raw outputs as channels."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, blocks: Any) -> Any:
        """See `Net.body`."""
        return self.net.body(blocks)


def peaks_graph(
    net: Net, *, name: str, floor: float, hu_range: tuple[float, float], half: bool = False
) -> bytes:
    """An ONNX graph from HU to peaks.

    Args:
        net: its `body` maps blocks (B, 8, D/2, H/2, W/2) to raw outputs (B, 40, D/2, H/2, W/2).
        name: of the graph.
        floor: the lowest score that is a peak, 0..1.
        hu_range: what is scaled to -1..1; HU outside it are cut off.
        half: compute in fp16 between the first and the last layer; `hu` and outputs stay fp32.

    Raises ValueError for a layer that cannot be exported.
    """
    g = Graph()
    blocks = _blocks(g, hu_range)
    if half:
        blocks = g.op("Cast", blocks, to=TensorProto.FLOAT16)
    raw = Walk(g, np.float16 if half else np.float32).through(Body(net), blocks)
    if half:
        raw = Tensor(name=g.floats(raw.name), before=raw.before, after=raw.after)
    _peaks(g, raw, math.log(floor / (1 - floor)))
    return _encoded(g, name)


def _blocks(g: Graph, hu_range: tuple[float, float]) -> str:
    """(B, 8, D/2, H/2, W/2) of -1..1; the channel counts z, y, x of the voxel in its block."""
    low, high = hu_range
    inside = g.op("Clip", "hu", g.constant(low), g.constant(high))
    scaled = g.op(
        "Sub",
        g.op("Mul", g.op("Sub", inside, g.constant(low)), g.constant(2 / (high - low))),
        g.constant(1.0),
    )
    return g.op("Conv", scaled, g.constant(_corners()), strides=[BLOCK] * 3)


def _corners() -> NDArray[np.float32]:
    """(8, 1, 2, 2, 2): each channel takes one voxel of a block."""
    return np.eye(BLOCK**3, dtype=np.float32).reshape(-1, 1, BLOCK, BLOCK, BLOCK)


def _peaks(g: Graph, raw: Tensor, floor: float) -> None:
    """Name the outputs: position, diameter and score of the peaks, and the window that each lies in."""
    octet = BLOCK**3
    heat = g.op("Slice", raw.name, *(g.constant([v], np.int64) for v in (0, octet, 1)))
    most = g.op("ReduceMax", heat, g.constant([1], np.int64), keepdims=1)
    above = g.op("NonZero", g.op("Greater", most, g.constant(floor)))
    place = g.op("Transpose", above, perm=[1, 0])
    outputs = _Outputs(g, raw.name)
    start = g.op("Mul", g.columns(place, 0, 1), outputs.volume)
    voxel, start = peaks.peaks(g, outputs.field, g.columns(place, 2, 5), start)
    read = outputs.at(voxel, start)
    offsets = g.op("Mul", g.op("Tanh", g.columns(read, 1, 4)), g.constant(OFFSET_REACH))
    offsets = g.op("Clip", offsets, g.constant(-REACH), g.constant(REACH))
    margin = g.constant(float(BLOCK * raw.before))
    g.op("Add", g.op("Add", g.floats(voxel), offsets), margin, name="position_voxels")
    size = g.op("Add", g.columns(read, 4, 5), g.constant(LOG_DIAMETER_PRIOR))
    flat = g.constant([-1], np.int64)
    g.op("Reshape", g.op("Exp", size), flat, name="diameter_voxels")
    g.op("Sigmoid", g.op("Reshape", g.columns(read, 0, 1), flat), name="score")
    g.op("Reshape", g.op("Div", start, outputs.volume), flat, name="window")


class _Outputs:
    """Raw outputs (B, 5 * 8, D, H, W) as one flat list, in that order."""

    def __init__(self, g: Graph, raw: str) -> None:
        self.g = g
        size = g.op("Shape", raw, start=2, end=5)
        depth, height, width = (
            g.op("Slice", size, *(g.constant([v], np.int64) for v in (axis, axis + 1))) for axis in range(3)
        )
        one = g.constant([1], np.int64)
        plane = g.op("Mul", height, width)
        channel = g.op("Mul", depth, plane)
        self._block = g.unsqueezed(g.op("Concat", plane, width, one, axis=0), 1)
        self._corner = g.op("Mul", channel, g.constant([[BLOCK**2], [BLOCK], [1]], np.int64))
        self._outputs = g.op("Mul", channel, g.constant(np.arange(OUTPUTS) * BLOCK**3, np.int64))
        self.volume = g.op("Mul", channel, g.constant([OUTPUTS * BLOCK**3], np.int64))
        self.field = peaks.Field(
            values=g.op("Reshape", raw, g.constant([-1], np.int64)),
            last=g.op("Sub", g.op("Mul", size, g.constant(BLOCK, np.int64)), one),
            along=self._along,
        )

    def at(self, voxel: str, start: str) -> str:
        """(N, 5) the outputs at voxels (N, 3) of the volumes that begin at `start` (N, 1)."""
        g = self.g
        part = self._along(g.unsqueezed(voxel, 2))
        place = g.op("Add", start, self._outputs)
        for axis in range(3):
            place = g.op("Add", place, g.op("Gather", part, g.constant(axis, np.int64), axis=1))
        return g.op("Gather", self.field.values, place, axis=0)

    def _along(self, voxel: str) -> str:
        g = self.g
        block = g.op("Div", voxel, g.constant(BLOCK, np.int64))
        corner = g.op("Sub", voxel, g.op("Mul", block, g.constant(BLOCK, np.int64)))
        return g.op("Add", g.op("Mul", block, self._block), g.op("Mul", corner, self._corner))


def _encoded(g: Graph, name: str) -> bytes:
    """The nodes with their input and outputs, checked."""
    window = helper.make_tensor_value_info("hu", TensorProto.FLOAT, ["batch", 1, "depth", "height", "width"])
    outputs = [
        helper.make_tensor_value_info("position_voxels", TensorProto.FLOAT, ["peaks", 3]),
        helper.make_tensor_value_info("diameter_voxels", TensorProto.FLOAT, ["peaks"]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["peaks"]),
        helper.make_tensor_value_info("window", TensorProto.INT64, ["peaks"]),
    ]
    graph = helper.make_graph(g.nodes, name, [window], outputs, g.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9, producer_name="millet")
    onnx.checker.check_model(model, full_check=True)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded
