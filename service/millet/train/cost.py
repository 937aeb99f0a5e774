"""What a graph computes for a window: multiply-adds of its convolutions, halo and all."""

from __future__ import annotations

import math

import onnx
from onnx import shape_inference

_WHOLE_KERNEL = {"Conv": "output", "ConvTranspose": "input"}
"""The end each voxel of which meets the whole kernel once."""


def multiply_adds(graph: bytes, shape: tuple[int, int, int]) -> int:
    """For one window (D, H, W); a count of FLOP is twice as many.

    Raises ValueError for a convolution of which the shape cannot be told beforehand.
    """
    model = onnx.load_from_string(graph)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 1, *shape), strict=True):
        dimension.dim_value = size
    model = shape_inference.infer_shapes(model, data_prop=True)
    known = {one.name: _shape(one) for one in (*model.graph.value_info, *model.graph.input)}
    known |= {one.name: tuple(one.dims) for one in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type in _WHOLE_KERNEL:
            end = node.output[0] if _WHOLE_KERNEL[node.op_type] == "output" else node.input[0]
            sides, weight = known.get(end, (0,))[2:], known.get(node.input[1], (0,))
            if not (math.prod(sides) and math.prod(weight)):
                raise ValueError(f"the shape of {node.name or node.output[0]} cannot be told")
            total += math.prod(sides) * math.prod(weight)
    return total


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """0 for what is not known."""
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
