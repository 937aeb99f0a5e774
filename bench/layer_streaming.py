"""Layers that keep their last planes, against slabs with a halo: what a voxel of core costs.

A slab of so many planes carries a halo of 12 planes at either end, which is computed twice, here and in
its neighbour. A layer that keeps the planes it needs again computes each plane once: a convolution of three
planes keeps two, a crop of a skip connection keeps as many as it cuts off, and each chunk of new planes
goes through all the layers at once. The network is the same (`models/millet/1`, fine, fp32, up to its last
layer), in planes of 160 x 248 voxels, by OpenVINO with shapes that are fixed beforehand; one pass over all
planes says whether the values are the same.

Predicted before it was measured: trimmed slabs of 32, 48, 64 and 96 planes compute about 1.35, 1.25, 1.2 and
1.1 times their core. Streaming computes it once, but copies kept and new planes together before eight of
the layers, some 15 % at 16 and 32 planes a chunk and more at 8, where each convolution of three planes joins
two kept ones to four new. So streaming should gain a tenth on slabs of 48 planes, nothing on those of 96, and
save memory and waiting (10 planes instead of 12 and what a core lacks) rather than time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from openvino._offline_transformations import apply_make_stateful_transformation
from table import Row, write

from millet.edge import models
from millet.train.net import HALO, STRIDE

PLANE = (160, 248)
CHUNKS = (8, 16, 32)
CORES = (32, 48, 64, 96)
PLANES = 96
"""What is streamed in one round: a whole number of every chunk."""
ROUNDS = 9
LAG_BLOCKS = 5
"""Blocks of two planes that lie between a new plane and the last that is complete."""
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
CLOSE = 1e-4

Values = NDArray[np.float32]


def main() -> None:
    """Compare the values, then measure both ways in turn."""
    core = openvino.Core()
    graph = _body(onnx.load(models.bundled() / "millet" / "1" / "fine.fp32.onnx"))
    hu = np.random.default_rng(0).normal(-850, 30, (1, 1, PLANES + 2 * HALO, *PLANE)).astype(np.float32)
    slabs = {planes: _Slab(core, graph, planes) for planes in CORES}
    streams = {planes: _Stream(core, graph, planes) for planes in CHUNKS}
    off = {planes: _difference(stream, slabs[PLANES], hu) for planes, stream in streams.items()}
    if max(off.values()) > CLOSE:
        raise SystemExit(f"the values differ: {off}")
    ways: dict[str, Callable[[], float]] = {}
    ways |= {f"slabs, core of {n} planes": _timed(slab, hu, n) for n, slab in slabs.items()}
    ways |= {f"layers stream, {n} planes a chunk": _timed(s, hu, PLANES) for n, s in streams.items()}
    rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS + 1)][1:]
    write("layer_streaming", [*_rows(rounds), *_memory(streams)])


def _rows(rounds: Sequence[dict[str, float]]) -> list[Row]:
    """Every way, and the best of streaming against each slab in the same round."""
    rows = [_row(name, "ns/voxel of core", [one[name] for one in rounds]) for name in rounds[0]]
    best = min((row for row in rows if "stream" in row.name), key=lambda row: row.value or 0.0)
    ratios = [
        _row(f"{row.name}, against {best.name}", "x", [one[row.name] / one[best.name] for one in rounds])
        for row in rows
        if "slabs" in row.name
    ]
    return rows + ratios


def _row(name: str, unit: str, values: Sequence[float]) -> Row:
    return Row(
        name=name,
        unit=unit,
        value=statistics.median(values),
        low=min(values),
        high=max(values),
        n=len(values),
    )


def _memory(streams: dict[int, _Stream]) -> list[Row]:
    """What is held between two inferences: planes that a slab reads again, or what the layers keep."""
    again = 2 * HALO * np.prod(PLANE) * 4 / 1e6
    kept = next(iter(streams.values())).kept_bytes / 1e6
    note = "of the window, which the next slab reads again"
    return [
        Row(name="kept between slabs", unit="MB", value=float(again), note=note),
        Row(name="kept between chunks", unit="MB", value=kept, note="of all layers"),
    ]


def _timed(way: _Slab | _Stream, hu: Values, planes: int) -> Callable[[], float]:
    """Nanoseconds a voxel of core, the halo within planes not counted."""
    voxels = planes * np.prod([side - 2 * HALO for side in PLANE])

    def run() -> float:
        started = time.perf_counter()
        way.run(hu, planes)
        return float((time.perf_counter() - started) / voxels * 1e9)

    return run


def _difference(stream: _Stream, slab: _Slab, hu: Values) -> float:
    """The most that a value differs from one pass over all planes."""
    stream.reset()
    told = np.concatenate(stream.values(hu), axis=2)
    whole = slab.values(hu)
    told = told[:, :, 2 * LAG_BLOCKS :]
    return float(np.abs(told - whole[:, :, : told.shape[2]]).max())


class _Slab:
    """The trimmed graph over a core and its halo."""

    def __init__(self, core: openvino.Core, graph: onnx.ModelProto, planes: int) -> None:
        model = core.read_model(graph.SerializeToString())
        model.reshape([1, 1, planes + 2 * HALO, *PLANE])
        self._request = core.compile_model(model, "CPU", OPTIONS).create_infer_request()

    def run(self, hu: Values, planes: int) -> None:
        """One slab of so many planes."""
        self._request.infer([hu[:, :, : planes + 2 * HALO]], share_inputs=True)

    def values(self, hu: Values) -> Values:
        """What the network gives for all of them."""
        self._request.infer([hu], share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data)


class _Stream:
    """The graph of one chunk; what its layers keep stays in the engine from each inference to the next."""

    def __init__(self, core: openvino.Core, graph: onnx.ModelProto, planes: int) -> None:
        self.planes = planes
        chunk, kept = _streaming(graph, planes)
        model = core.read_model(chunk.SerializeToString())
        apply_make_stateful_transformation(model, {name: f"{name}_next" for name in kept})
        self._request = core.compile_model(model, "CPU", OPTIONS).create_infer_request()
        self.kept_bytes = sum(4 * int(np.prod(shape)) for shape in kept.values())

    def reset(self) -> None:
        """Forget the planes that are kept."""
        self._request.reset_state()

    def run(self, hu: Values, planes: int) -> None:
        """So many planes, chunk by chunk."""
        for start in range(0, planes, self.planes):
            self._request.infer([hu[:, :, start : start + self.planes]], share_inputs=True)

    def values(self, hu: Values) -> Sequence[Values]:
        """What each whole chunk gives."""
        given = []
        for end in range(self.planes, hu.shape[2] + 1, self.planes):
            self._request.infer([hu[:, :, end - self.planes : end]], share_inputs=True)
            given.append(np.array(self._request.get_output_tensor(0).data))
        return given


def _body(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph up to its last layer, which is its only output."""
    last = max(n for n, node in enumerate(model.graph.node) if node.op_type == "Conv")
    del model.graph.node[last + 1 :], model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info(model.graph.node[last].output[0]))
    return model


def _streaming(graph: onnx.ModelProto, planes: int) -> tuple[onnx.ModelProto, dict[str, list[int]]]:
    """The graph of a chunk, and by name the shapes of what its layers keep."""
    shapes = _shapes(graph, planes)
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    constants = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    kept: dict[str, list[int]] = {}
    nodes = []
    for node in graph.graph.node:
        count = _kept_planes(node, constants)
        if count:
            name = f"kept_{node.output[0]}"
            source = node.input[0]
            kept[name] = [*shapes[source][:2], count, *shapes[source][3:]]
            nodes += _joined(made, source, name, count)
        nodes.append(_over_joined(made, node, name, count) if count else node)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    _fix(made.graph.input[0], [1, 1, planes, *PLANE])
    for name, shape in kept.items():
        made.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        made.graph.output.append(helper.make_tensor_value_info(f"{name}_next", TensorProto.FLOAT, shape))
    return made, kept


def _kept_planes(node: onnx.NodeProto, constants: dict[str, NDArray[np.generic]]) -> int:
    """Planes of its input that a node needs again: by which its kernels overlap, or what it crops."""
    if node.op_type == "Conv" and node.name:
        depth = constants[node.input[1]].shape[2]
        stride = next(list(a.ints) for a in node.attribute if a.name == "strides")[0]
        return int(depth - stride)
    if node.op_type == "Slice" and len(constants[node.input[1]]) == 3:
        return int(constants[node.input[1]][0])
    return 0


def _joined(model: onnx.ModelProto, source: str, name: str, count: int) -> list[onnx.NodeProto]:
    """Kept and new planes together, and the last of them, which are kept next."""
    edges = [_constant(model, f"{name}_{n}", [value]) for n, value in enumerate((-count, 2**62, 2))]
    return [
        helper.make_node("Concat", [name, source], [f"{name}_all"], axis=2),
        helper.make_node("Slice", [f"{name}_all", *edges], [f"{name}_next"]),
    ]


def _over_joined(model: onnx.ModelProto, node: onnx.NodeProto, name: str, count: int) -> onnx.NodeProto:
    """The node over both; a crop within planes leaves the newest planes to the next chunk."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.input[0] = f"{name}_all"
    if node.op_type == "Slice":
        made.input[1] = _constant(model, f"{name}_from", [0, count, count])
        made.input[2] = _constant(model, f"{name}_to", [-count] * 3)
    return made


def _constant(model: onnx.ModelProto, name: str, values: Sequence[int]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
    return name


def _shapes(graph: onnx.ModelProto, planes: int) -> dict[str, list[int]]:
    """Of every value of the trimmed graph, in planes of these sides; not their number in a chunk."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(graph)
    _fix(fixed.graph.input[0], [1, 1, 2 * HALO + STRIDE * planes, *PLANE])
    told = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph.value_info
    return {one.name: [d.dim_value for d in one.type.tensor_type.shape.dim] for one in told}


def _fix(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    for dimension, side in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = side


if __name__ == "__main__":
    main()
