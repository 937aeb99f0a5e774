"""From a trained network to graphs that say where nodules are: fp32, fp16 and int8, peaks included.

1. HU are cut to the range, scaled to -1..1, and 2x2x2 voxels become eight channels.
2. The network, without padding (`trimmed`): what it leaves is the window less a margin on every side.
3. A voxel whose heat logit is the largest of its 3x3x3 neighbourhood and above the floor is a peak. Logits
   are compared, not probabilities, which are all 1 from a logit of 17 on. Of neighbours that are exactly
   equal only the first (in order of z, y, x) can be a peak, so a plateau does not become many.
4. Offset and diameter are read at the peaks alone.

There is no TopK, no suppression by overlap, no pooling over the window and no limit on the number of peaks.
Batch and window size are free; sides are multiples of the network's coarsest cell. The outputs are those of
every graph of ours, and `window`, which of the batch each peak lies in.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from millet.train.log_bank import OPSET, Graph
from millet.train.net import LOG_DIAMETER_PRIOR, OFFSET_REACH, Net
from millet.train.trimmed import Tensor, Walk

BLOCK = 2
"""Side of the blocks of voxels that the network takes as channels and gives as channels."""
REACH = 0.49
"""The most that a peak's position lies off its voxel, so that rounding gives the voxel."""
_EARLIER = [step for step in product((-1, 0, 1), repeat=3) if step < (0, 0, 0)]


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


def quantised(graph: bytes, windows: Iterable[NDArray[np.float32]]) -> bytes:
    """The int8 (QDQ) version of an fp32 graph of ours: 8 bit convolutions, but for the first and last.

    Args:
        graph: what `peaks_graph` made.
        windows: HU (D, H, W) such as it will see; the range of every layer's values is taken from them.
    """
    from onnxruntime import quantization as q

    model = onnx.load_from_string(graph)
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv" and node.name]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        q.quantize_static(
            source,
            made,
            _Reader(windows),
            quant_format=q.QuantFormat.QDQ,
            nodes_to_quantize=convolutions[1:-1],
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            reduce_range=True,  # 7 bit weights: sums cannot saturate on CPUs without VNNI
            extra_options={"WeightSymmetric": True},
        )
        encoded: bytes = onnx.load(made).SerializeToString(deterministic=True)
    return encoded


class _Reader:
    """Windows as the quantiser wants them, one at a time."""

    def __init__(self, windows: Iterable[NDArray[np.float32]]) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(windows)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next window, None behind the last."""
        window = next(self._left, None)
        return None if window is None else {"hu": np.ascontiguousarray(window[None, None], np.float32)}


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
    slices = (g.constant([v], np.int64) for v in (0, octet, 1))
    heat = g.op(
        "ConvTranspose", g.op("Slice", raw.name, *slices), g.constant(_corners()), strides=[BLOCK] * 3
    )
    largest = g.op("MaxPool", heat, kernel_shape=[3] * 3, strides=[1] * 3, pads=[1] * 6)
    peak = g.op("And", g.op("Equal", heat, largest), g.op("Greater", heat, g.constant(floor)))
    place = _first_of_equals(g, heat, g.op("Transpose", g.op("NonZero", peak), perm=[1, 0]))
    voxel = g.op("Slice", place, *(g.constant([v], np.int64) for v in (2, 5, 1)))
    window = g.op("Slice", place, *(g.constant([v], np.int64) for v in (0, 1, 1)))
    read = _reader(g, raw.name, voxel, window)
    offsets = g.op("Concat", *(read(output) for output in (1, 2, 3)), axis=1)
    offsets = g.op("Mul", g.op("Tanh", offsets), g.constant(OFFSET_REACH))
    offsets = g.op("Clip", offsets, g.constant(-REACH), g.constant(REACH))
    margin = g.constant(float(BLOCK * raw.before))
    g.op("Add", g.op("Add", g.floats(voxel), offsets), margin, name="position_voxels")
    size = g.op("Add", read(4), g.constant(LOG_DIAMETER_PRIOR))
    g.op("Reshape", g.op("Exp", size), g.constant([-1], np.int64), name="diameter_voxels")
    g.op("Sigmoid", g.op("GatherND", heat, place), name="score")
    g.op("Reshape", window, g.constant([-1], np.int64), name="window")


def _first_of_equals(g: Graph, heat: str, place: str) -> str:
    """The (N, 5) places that no equal neighbour comes before."""
    last = g.op("Sub", g.op("Shape", heat), g.constant(1, np.int64))
    value = g.op("GatherND", heat, place)
    beaten = ""
    for step in _EARLIER:
        moved = g.op("Add", place, g.constant([0, 0, *step], np.int64))
        inside = g.op("Min", g.op("Max", moved, g.constant(0, np.int64)), last)
        equal = g.op("Equal", g.op("GatherND", heat, inside), value)
        beaten = g.op("Or", beaten, equal) if beaten else equal
    rows = g.op("Transpose", g.op("NonZero", g.op("Not", beaten)), perm=[1, 0])
    return g.op("GatherND", place, rows)


def _reader(g: Graph, raw: str, voxel: str, window: str) -> Any:
    """A reader of one output (N, 1) of the network at voxels (N, 3)."""
    block = g.op("Div", voxel, g.constant(BLOCK, np.int64))
    corner = g.op("Sub", voxel, g.op("Mul", block, g.constant(BLOCK, np.int64)))
    strides = g.constant([BLOCK**2, BLOCK, 1], np.int64)
    channel = g.op("ReduceSum", g.op("Mul", corner, strides), g.constant([1], np.int64), keepdims=1)

    def read(output: int) -> str:
        of = g.op("Add", channel, g.constant(output * BLOCK**3, np.int64))
        at = g.op("Concat", window, of, block, axis=1)
        return g.op("Unsqueeze", g.op("GatherND", raw, at), g.constant([1], np.int64))

    return read


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
