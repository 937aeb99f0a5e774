"""Which execution providers are asked to take a graph, with which options, and which of them did.

A session that was asked for CUDA may still put nodes on the CPU, all of them if a library of CUDA's lacks,
and say nothing. `session.disable_cpu_ep_fallback` would refuse that, but it refuses shape arithmetic too,
which ONNX Runtime puts on the CPU on purpose and every graph of ours has. So each session records which
provider got which node (`session.record_ep_graph_assignment_info`): a node that sees voxels may not be on
the CPU, shape arithmetic may, and whatever else is there is named in what `provider` says.

TensorRT takes the network from HU to heat in one piece, within given bounds of the window's shape, and CUDA
the peaks behind it, whose number depends on the data. TensorRT can do such operators itself, slowly; and
every piece it takes needs bounds for its inputs, so operators of the peaks are kept from it by type, and
pieces that are smaller than a network by their size. That much is from the documents of ONNX Runtime: no
machine with TensorRT has run it yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from millet.errors import ModelError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
RECORD = "session.record_ep_graph_assignment_info"

Shape = tuple[int, int, int, int]
Provider = tuple[str, dict[str, str]]

_SEES_VOXELS = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "FusedConv",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "Resize",
        "Upsample",
    }
    | {"BatchNormalization", "InstanceNormalization", "GroupNormalization", "Softmax", "Sigmoid"}
    | {"Relu", "LeakyRelu", "PRelu", "Elu", "QuantizeLinear", "DequantizeLinear"}
    | {"Clip", "Greater", "And", "NonZero"}
)
_SHAPE_ARITHMETIC = frozenset(
    {"Shape", "Size", "Constant", "ConstantOfShape", "Range", "Expand", "Reshape", "Squeeze", "Unsqueeze"}
    | {"Gather", "Slice", "Split", "Concat", "Cast", "Identity", "Equal", "Where"}
    | {"Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Floor", "Ceil", "ReduceProd"}
)
_OF_PEAKS = (
    "NonZero,Gather,Equal,Greater,Less,LessOrEqual,And,Min,Max,Transpose,Div,ReduceMax,ReduceMin,Unsqueeze,"
    "Concat,Tanh,Exp,Sigmoid,Reshape,Shape"
)
"""Types of operators that our networks do not have and the peaks behind them do."""
_LEAST_NODES = 20
"""A piece of fewer nodes is no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRt:
    """What TensorRT builds an engine for: windows (N, D, H, W) from `least` to `most`, best at `usual`."""

    least: Shape
    usual: Shape
    most: Shape
    engines: Path | None = None
    """Where built engines are kept; None writes nothing to disk, and every start builds again."""

    def __post_init__(self) -> None:
        if not all(0 < a <= b <= c for a, b, c in zip(self.least, self.usual, self.most, strict=True)):
            raise ValueError(f"not from small to large: {self.least}, {self.usual}, {self.most}")


def devices() -> tuple[str, ...]:
    """The CUDA devices that both torch and ONNX Runtime can use: cuda:0, cuda:1, ..."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers() or not torch.cuda.is_available():
        return ()
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def checked(device: str, tensorrt: TensorRt | None, precision: str) -> torch.device:
    """The device by its whole name, if this machine has it and what it is asked for. Raises ModelError."""
    import onnxruntime

    held = onnxruntime.get_available_providers()
    wanted = CPU if device == "cpu" else TENSORRT if tensorrt else CUDA
    if wanted not in held:
        raise ModelError(f"ONNX Runtime here has no {wanted}, only {', '.join(held)}")
    if device == "cpu" and tensorrt:
        raise ModelError("TensorRT does not run on the CPU")
    if tensorrt and precision == "int8":
        raise ModelError("TensorRT takes no int8 graph of ours: it knows no unsigned 8 bit values")
    name = "cuda:0" if device == "cuda" else device
    if name not in {"cpu", *devices()}:
        raise ModelError(f"no {name} for {wanted}; usable here: {', '.join(devices()) or _why_none()}")
    return torch.device(name)


def _why_none() -> str:
    if torch.version.cuda is None:
        return f"none, since torch {torch.__version__} is built without CUDA"
    return "none, since torch sees no CUDA device"


def asked(device: torch.device, stream: int, tensorrt: TensorRt | None, precision: str) -> list[Provider]:
    """The providers to ask, the wanted one first.

    Args:
        device: where the graph is to run.
        stream: the address of the CUDA stream that it is to run on.
        tensorrt: to ask TensorRT before CUDA.
        precision: of the graph.
    """
    if device.type == "cpu":
        return [(CPU, {})]
    common = {"device_id": str(device.index), "user_compute_stream": str(stream)}
    cuda = {
        **common,
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",  # an exhaustive search runs anew for every window shape
        "arena_extend_strategy": "kSameAsRequested",  # torch and other detectors need memory too
    }
    if tensorrt is None:
        return [(CUDA, cuda)]
    return [(TENSORRT, common | _engine(tensorrt, precision)), (CUDA, cuda)]


def _engine(tensorrt: TensorRt, precision: str) -> dict[str, str]:
    """Options of the TensorRT provider."""

    def shape(windows: Shape) -> str:
        count, *sides = windows
        return "hu:" + "x".join(str(n) for n in (count, 1, *sides))

    options = {
        "trt_fp16_enable": str(precision == "fp16"),
        "trt_profile_min_shapes": shape(tensorrt.least),
        "trt_profile_opt_shapes": shape(tensorrt.usual),
        "trt_profile_max_shapes": shape(tensorrt.most),
        "trt_op_types_to_exclude": _OF_PEAKS,
        "trt_min_subgraph_size": str(_LEAST_NODES),
    }
    if tensorrt.engines is not None:
        options |= {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(tensorrt.engines)}
    return options


def assigned(session: Any) -> Mapping[str, Counter[str]]:
    """How many nodes of which type each provider got; the session was made with `RECORD` set to "1"."""
    found: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        found.setdefault(part.ep_name, Counter()).update(node.op_type for node in part.get_nodes())
    return found


def taken(nodes: Mapping[str, Counter[str]], wanted: str) -> str:
    """Who took the graph, as `Detector.provider` says it. Raises ModelError if `wanted` did not.

    Args:
        nodes: what `assigned` found.
        wanted: the provider that was asked first.
    """
    if wanted == CPU:
        return CPU
    on_cpu = nodes.get(CPU, Counter())
    if left := sorted(_SEES_VOXELS & on_cpu.keys()):
        raise ModelError(f"{wanted} did not take all of the graph; the CPU got {_counted(left, on_cpu)}")
    if not _SEES_VOXELS & nodes.get(wanted, Counter()).keys():
        raise ModelError(f"{wanted} took nothing of the graph; {', '.join(sorted(nodes)) or 'nobody'} did")
    return " and ".join(_takers(nodes, wanted))


def _takers(nodes: Mapping[str, Counter[str]], wanted: str) -> Iterator[str]:
    """The wanted provider, and who beside it does more than shape arithmetic."""
    yield wanted
    if CUDA in nodes and wanted != CUDA:
        yield CUDA
    on_cpu = nodes.get(CPU, Counter())
    if beside := sorted(on_cpu.keys() - _SHAPE_ARITHMETIC):
        yield f"{CPU} for {_counted(beside, on_cpu)}"


def _counted(types: list[str], among: Counter[str]) -> str:
    return ", ".join(f"{among[name]} {name}" for name in types)
