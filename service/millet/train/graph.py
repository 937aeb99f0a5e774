"""A small language to write ONNX graphs in."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


class Graph:
    """Nodes and constants of a graph: each method adds a node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Add an initializer."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def whole(self, value: object) -> str:
        """Add an initializer of whole numbers, such as a shape or an index."""
        return self.constant(value, np.int64)

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        output = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def floats(self, x: str) -> str:
        """Cast to float32."""
        return self.op("Cast", x, to=TensorProto.FLOAT)

    def ints(self, x: str) -> str:
        """Cast to int64."""
        return self.op("Cast", x, to=TensorProto.INT64)

    def sum(self, x: str, axis: int) -> str:
        """Sum over an axis, dropping it."""
        return self.op("ReduceSum", x, self.constant([axis], np.int64), keepdims=0)

    def unsqueezed(self, x: str, axis: int) -> str:
        """With one more axis, of length one."""
        return self.op("Unsqueeze", x, self.constant([axis], np.int64))

    def columns(self, table: str, first: int, end: int) -> str:
        """Columns `first` to before `end` of (N, K)."""
        return self.op("Slice", table, *(self.constant([v], np.int64) for v in (first, end, 1)))
