"""A fully convolutional torch network as ONNX nodes that compute no more than the middle of a window needs.

Padded convolutions keep every layer as large as the window, and what they say near its rim is wrong: the
halo is there to be thrown away. Here no convolution is padded. Each layer shrinks by what it reaches, a
skip connection is cropped to what it is added to, and only the middle is left, where the values are those
of the padded network.

What is understood: `Conv3d` of odd kernel, padded by half of it, stride 1 or 2, or whose kernel is its
stride; `ConvTranspose3d` whose kernel is its stride; `BatchNorm3d` right behind either, in evaluation mode,
folded into it; relu, sums and concatenation. Anything else is refused by its name.
"""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from millet.train.graph import Graph

_TO_THE_END = np.iinfo(np.int64).max
_SUMS = {operator.add, operator.iadd, torch.add}
_RELUS = {torch.relu, torch.relu_, nn.functional.relu}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An ONNX tensor (B, C, D, H, W), and how many of its cells are missing at both ends of each axis."""

    name: str
    before: int = 0
    after: int = 0
    step: int = 1
    """The cell's side, in cells of the network's input."""


class Walk:
    """Adds the nodes of one network to a graph; `dtype` is what weights and values are in."""

    def __init__(self, g: Graph, dtype: type = np.float32) -> None:
        self.g, self.dtype = g, dtype

    def through(self, network: nn.Module, x: str) -> Tensor:
        """What `network(x)` is. Raises ValueError for what is not understood."""
        traced = fx.symbolic_trace(copy.deepcopy(network).cpu().eval())
        modules, values = _folded(traced), dict[Any, Tensor]()
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                values[node] = Tensor(name=x)
            elif node.op == "call_module":
                values[node] = self._layer(modules[node], values[node.args[0]])
            elif node.op == "output":
                break
            else:
                values[node] = self._function(node, values)
        return values[node.args[0]]

    def crop(self, x: Tensor, before: int, after: int) -> Tensor:
        """Leave so many cells missing at the ends, at least as many as are missing already."""
        if (before, after) == (x.before, x.after):
            return x
        end = x.after - after or _TO_THE_END
        edges = ([before - x.before] * 3, [end] * 3, [2, 3, 4])
        name = self.g.op("Slice", x.name, *(self.g.constant(edge, np.int64) for edge in edges))
        return replace(x, name=name, before=before, after=after)

    def _layer(self, module: nn.Module, x: Tensor) -> Tensor:
        match module:
            case nn.Conv3d():
                return self._convolved(module, x)
            case nn.ConvTranspose3d():
                return self._spread(module, x)
            case nn.ReLU():
                return replace(x, name=self.g.op("Relu", x.name))
            case nn.Identity() | nn.Dropout() | nn.Dropout3d():
                return x
        raise ValueError(f"{type(module).__name__} cannot be exported")

    def _function(self, node: fx.Node, values: dict[Any, Tensor]) -> Tensor:
        if node.target in _RELUS or (node.op == "call_method" and node.target in {"relu", "relu_"}):
            x = values[_node(node.args[0])]
            return replace(x, name=self.g.op("Relu", x.name))
        if node.target in _SUMS or (node.op == "call_method" and node.target in {"add", "add_"}):
            return self._joined("Add", [values[_node(one)] for one in node.args])
        if node.target is torch.cat:
            axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            parts: Any = node.args[0]
            return self._joined("Concat", [values[one] for one in parts], axis=axis)
        raise ValueError(f"{node.target} cannot be exported")

    def _joined(self, kind: str, parts: list[Tensor], **attributes: Any) -> Tensor:
        if len({part.step for part in parts}) > 1:
            raise ValueError(f"{kind} of tensors of different resolution")
        before, after = max(p.before for p in parts), max(p.after for p in parts)
        alike = [self.crop(part, before, after) for part in parts]
        return replace(alike[0], name=self.g.op(kind, *(p.name for p in alike), **attributes))

    def _convolved(self, conv: nn.Conv3d, x: Tensor) -> Tensor:
        """Cell q is the sum around cell `stride` * q, `reach` to either side; or of its own block."""
        plain = conv.groups == 1 and conv.padding_mode == "zeros" and set(conv.dilation) == {1}
        if plain and {*conv.kernel_size} == {*conv.stride} and {*conv.padding} == {0}:
            return self._blocked(conv, x)
        (reach, *_), (stride, *_) = ((k - 1) // 2 for k in conv.kernel_size), conv.stride
        if not plain or {*conv.kernel_size} != {2 * reach + 1} or {*conv.padding} != {reach}:
            raise ValueError(f"{conv} cannot be exported")
        if {*conv.stride} - {1, 2} or len({*conv.stride}) > 1:
            raise ValueError(f"{conv} cannot be exported")
        first = -(-(x.before + reach) // stride)
        x = self.crop(x, stride * first - reach, x.after)
        last = -(-(x.after + reach - stride + 1) // stride)
        name = self._op("Conv", conv, x, strides=[stride] * 3)
        return Tensor(name=name, before=first, after=last, step=x.step * stride)

    def _blocked(self, conv: nn.Conv3d, x: Tensor) -> Tensor:
        """Blocks of `stride` cells that do not overlap: those that are whole."""
        (stride, *_) = conv.stride
        if len({*conv.stride}) > 1:
            raise ValueError(f"{conv} cannot be exported")
        before, after = -(-x.before // stride), -(-x.after // stride)
        x = self.crop(x, before * stride, after * stride)
        name = self._op("Conv", conv, x, strides=[stride] * 3)
        return Tensor(name=name, before=before, after=after, step=x.step * stride)

    def _spread(self, conv: nn.ConvTranspose3d, x: Tensor) -> Tensor:
        (stride, *_) = conv.stride
        if {*conv.kernel_size} != {*conv.stride} or {*conv.padding} != {0} or conv.groups > 1:
            raise ValueError(f"{conv} cannot be exported")
        if x.step % stride or len({*conv.stride}) > 1:
            raise ValueError(f"{conv} goes beyond the resolution of the input")
        name = self._op("ConvTranspose", conv, x, strides=[stride] * 3)
        return Tensor(name=name, before=x.before * stride, after=x.after * stride, step=x.step // stride)

    def _op(self, kind: str, conv: nn.Conv3d | nn.ConvTranspose3d, x: Tensor, **attributes: Any) -> str:
        weights = [conv.weight] if conv.bias is None else [conv.weight, conv.bias]
        constants = [self.g.constant(w.detach().numpy(), self.dtype) for w in weights]
        name = self.g.op(kind, x.name, *constants, **attributes)
        self.g.nodes[-1].name = name
        return name


def _folded(traced: fx.GraphModule) -> dict[fx.Node, nn.Module]:
    """The layer of each node; a normalisation right behind a convolution is part of it, and then nothing."""
    modules, layers = dict(traced.named_modules()), dict[fx.Node, nn.Module]()
    for node in traced.graph.nodes:
        if node.op != "call_module":
            continue
        layer, before = modules[node.target], node.args[0]
        conv = layers.get(before)
        if isinstance(layer, nn.BatchNorm3d) and len(before.users) == 1:
            if isinstance(conv, nn.Conv3d):
                layers[before], layer = fuse_conv_bn_eval(conv, layer), nn.Identity()
            elif isinstance(conv, nn.ConvTranspose3d):
                layers[before], layer = fuse_conv_bn_eval(conv, layer, transpose=True), nn.Identity()
        layers[node] = layer
    return layers


def _node(value: Any) -> fx.Node:
    if not isinstance(value, fx.Node):
        raise TypeError(f"{value!r} is no tensor of the network")
    return value
