"""An fp32 graph of ours in eight bits (QDQ): every layer that has weights, first and last included.

What a layer takes is quantised where it is made, before it is cropped, and only there: a crop moves bytes,
and the sum of a skip connection and a layer's own output is quantised once. Sums and what the last layer
gives stay fp32.

Weights are as fine as 16 bits allow: CPUs without VNNI add pairs of products of bytes in 16 bits, and cut
off what does not fit. So no two weights of neighbouring channels may reach more than half of that
together. It is what quantising weights to 7 bits is for, and a third finer; with it every CPU computes
the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_LAYERS = {"Conv": 0, "ConvTranspose": 1}
"""What has weights, and the axis of the weights that counts output channels."""
_LARGEST_PAIR = 32767 / 255
"""The most that two weights of neighbouring channels may be together, in steps."""


def quantised(graph: bytes, windows: Iterable[NDArray[np.float32]]) -> bytes:
    """The int8 version of an fp32 graph of ours.

    Args:
        graph: what `export.peaks_graph` made in fp32.
        windows: HU (D, H, W) such as it will see; the range of every layer's values is taken from them.

    Raises ValueError when there is no window.
    """
    model = onnx.load_from_string(graph)
    layers = [node for node in model.graph.node if _is_layer(node)]
    made = _Eight(
        ranges=_ranges(model, sorted({node.input[0] for node in layers}), windows),
        values={one.name: numpy_helper.to_array(one) for one in model.graph.initializer},
    )
    for node in model.graph.node:
        made.add(node)
    used = {name for node in made.nodes for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(made.nodes)
    model.graph.initializer.extend([*kept, *made.constants])
    onnx.checker.check_model(model, full_check=True)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


def _is_layer(node: onnx.NodeProto) -> bool:
    """Those of the network have names; what only moves values has none."""
    return node.op_type in _LAYERS and bool(node.name)


def _ranges(
    model: onnx.ModelProto, names: list[str], windows: Iterable[NDArray[np.float32]]
) -> Mapping[str, tuple[float, float]]:
    """The least and the largest of some values in all the windows."""
    import onnxruntime

    told = onnx.ModelProto()
    told.CopyFrom(model)
    told.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(told.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = []
    for window in windows:
        found = session.run(names, {"hu": np.ascontiguousarray(window[None, None], np.float32)})
        seen.append([(value.min(), value.max()) for value in found])
    if not seen:
        raise ValueError("there is no window to take ranges from")
    ends = np.asarray(seen)
    return {name: (float(ends[:, n, 0].min()), float(ends[:, n, 1].max())) for n, name in enumerate(names)}


@dataclass(slots=True)
class _Eight:
    """The nodes and constants of the graph that is made."""

    ranges: Mapping[str, tuple[float, float]]
    values: Mapping[str, NDArray[Any]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    """Of the values that are quantised."""

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node of the fp32 graph in its new form, and what it makes in eight bits."""
        if _is_layer(node):
            self._layer(node)
        elif node.op_type == "Slice" and node.input[0] in self.ranges:
            self._crop(node)
        else:
            self.nodes.append(node)
        for name in node.output:
            if name in self.ranges:
                self._quantise(name)

    def _quantise(self, name: str) -> None:
        low, high = self.ranges[name]
        zero = 0 if low >= 0 else 128
        self.steps[name] = max(high / 255 if low >= 0 else max(-low, high) / 127, 1e-6)
        self._constant(f"{name}_step", np.float32(self.steps[name]))
        self._constant(f"{name}_zero", np.uint8(zero))
        self._op("QuantizeLinear", [name, f"{name}_step", f"{name}_zero"], f"{name}_bytes")
        self._dequantise(f"{name}_bytes", name, f"{name}_again")

    def _dequantise(self, source: str, of: str, target: str) -> None:
        self._op("DequantizeLinear", [source, f"{of}_step", f"{of}_zero"], target)

    def _crop(self, node: onnx.NodeProto) -> None:
        """Of the bytes."""
        (name,), of = node.output, node.input[0]
        self._op("Slice", [f"{of}_bytes", *node.input[1:]], f"{name}_bytes")
        self._dequantise(f"{name}_bytes", of, name)

    def _layer(self, node: onnx.NodeProto) -> None:
        of, weights, *bias = node.input
        axis = _LAYERS[node.op_type]
        steps, whole = _weights(np.moveaxis(self.values[weights], axis, 0).astype(np.float64))
        self._table(f"{weights}_bytes", np.moveaxis(whole, 0, axis).astype(np.int8), steps, axis)
        inputs = [f"{of}_again", f"{weights}_bytes_again"]
        for name in bias:
            fine = steps * self.steps[of]
            self._table(f"{name}_whole", np.rint(self.values[name] / fine).astype(np.int32), fine, 0)
            inputs.append(f"{name}_whole_again")
        made = onnx.NodeProto()
        made.CopyFrom(node)
        del made.input[:]
        made.input.extend(inputs)
        self.nodes.append(made)

    def _table(self, name: str, whole: NDArray[np.integer], steps: NDArray[np.floating], axis: int) -> None:
        """Constants as whole numbers, and the node that gives them back."""
        self._constant(name, whole)
        self._constant(f"{name}_step", steps.astype(np.float32))
        self._constant(f"{name}_zero", np.zeros(len(steps), whole.dtype))
        self._op("DequantizeLinear", [name, f"{name}_step", f"{name}_zero"], f"{name}_again", axis=axis)

    def _op(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _constant(self, name: str, value: Any) -> None:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))


def _weights(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps (O,) and whole numbers of weights (O, I, ...)."""
    outputs, inputs = weights.shape[:2]
    flat = weights.reshape(outputs, inputs, -1)
    odd = np.zeros((outputs, inputs % 2, flat.shape[2]))
    pairs = np.concatenate([flat, odd], axis=1).reshape(outputs, -1, 2, flat.shape[2]).sum(axis=2)
    steps = np.maximum(
        np.abs(flat).max(axis=(1, 2)) / 127, np.abs(pairs).max(axis=(1, 2)) / math.floor(_LARGEST_PAIR - 1)
    )
    steps = np.maximum(steps, 1e-8)
    return steps, np.rint(weights / steps.reshape(-1, *[1] * (weights.ndim - 1)))
