"""What both ends agree on: a model's name, the tensors of a detector, and their values as bytes.

The protocol: KServe's Open Inference Protocol, version 2. Its metadata have no place for a digest or a
precision, so the name carries the precision; Millet's own server adds both to each answer's parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.manifest import Manifest
from millet.errors import DetectorError
from millet.ports import Peaks
from millet.proto.inference import grpc_service_pb2 as pb

INPUT = "hu"
"""(N, 1, D, H, W) FP32: HU clipped to the manifest's range."""
WINDOW = "window"
"""(P,) INT64: which of the N windows each peak lies in."""
OUTPUTS = {
    "position_voxels": ("FP32", (-1, 3)),
    "diameter_voxels": ("FP32", (-1,)),
    "score": ("FP32", (-1,)),
    "pyramid": ("INT64", (-1,)),
    WINDOW: ("INT64", (-1,)),
}
"""Type and shape of every output that a graph can have, as its metadata are to tell them."""
OPTIONAL = frozenset((*Peaks._field_defaults, WINDOW))
DIGEST, PRECISION, PROVIDER = "graph_digest", "precision", "provider"
"""Parameters of an answer, all optional."""

_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}
_LISTS = {"FP32": "fp32_contents", "INT64": "int64_contents"}

Tensor = pb.ModelInferRequest.InferInputTensor | pb.ModelInferResponse.InferOutputTensor


class WrongGraph(DetectorError):  # noqa: N818 - a fact of the answer
    """An answer names the digest of another graph than the one that was asked for."""


class Name(NamedTuple):
    """What a graph is called on a server."""

    model: str
    version: str


def served_name(manifest: Manifest, graph: str, precision: str) -> Name:
    """The name of one graph of a model: `<name>-<graph>-<precision>`, its version that of the manifest.

    Triton's versions are whole numbers from 1: another version becomes a part of the name,
    `<name>-<version>-<graph>-<precision>`, and the server's version is 1.
    """
    if re.fullmatch(r"[1-9]\d*", manifest.version):
        return Name(f"{manifest.name}-{graph}-{precision}", manifest.version)
    return Name(f"{manifest.name}-{manifest.version}-{graph}-{precision}", "1")


def misfits(told: pb.ModelMetadataResponse) -> Iterator[str]:
    """What keeps a model from being a detector, by its metadata."""
    inputs = {tensor.name: tensor for tensor in told.inputs}
    outputs = {tensor.name: tensor for tensor in told.outputs}
    if set(inputs) != {INPUT}:
        yield f"its inputs are {', '.join(inputs) or 'none'}, not {INPUT}"
    elif not _fits(inputs[INPUT], "FP32", (-1, 1, -1, -1, -1), fixed=(1, 1, -1, -1, -1)):
        yield f"its input is {_shown(inputs[INPUT])}, not {INPUT} FP32 [-1,1,-1,-1,-1] or [1,1,-1,-1,-1]"
    for name, (kind, shape) in OUTPUTS.items():
        if name not in outputs:
            if name not in OPTIONAL:
                yield f"it has no output {name}"
        elif not _fits(outputs[name], kind, shape, fixed=(-1,) * len(shape)):
            yield f"its output is {_shown(outputs[name])}, not {name} {kind} {list(shape)}"


def takes_batches(told: pb.ModelMetadataResponse) -> bool:
    """Whether several windows may go in one request, and their peaks be told apart."""
    return told.inputs[0].shape[0] == -1 and any(tensor.name == WINDOW for tensor in told.outputs)


def values(tensor: Tensor, raw: bytes | None) -> NDArray[Any]:
    """A tensor's values, from raw bytes or from the list of its type. Raises ValueError."""
    if tensor.datatype not in _TYPES:
        raise ValueError(f"{tensor.name} is of type {tensor.datatype!r}, not {' or '.join(_TYPES)}")
    kind = _TYPES[tensor.datatype]
    shape = tuple(tensor.shape)
    if raw is not None and tensor.contents.ByteSize():  # MLServer sends an empty one beside the raw
        raise ValueError(f"{tensor.name} has both raw and typed contents")
    if raw is None:
        held = np.array(getattr(tensor.contents, _LISTS[tensor.datatype]), kind)
    elif len(raw) % kind.itemsize:
        raise ValueError(f"{tensor.name} has {len(raw)} bytes, no whole number of {tensor.datatype}")
    else:
        held = np.frombuffer(bytearray(raw), kind)
    if min(shape, default=0) < 0 or held.size != math.prod(shape):
        raise ValueError(f"{tensor.name} has {held.size} values, not those of shape {list(shape)}")
    return held.reshape(shape)


def raw_parts(tensors: Sequence[Tensor], raw: Sequence[bytes]) -> Iterator[tuple[Tensor, bytes | None]]:
    """Each tensor with its raw bytes, or with None where the message holds no raw ones. Raises ValueError."""
    if raw and len(raw) != len(tensors):
        raise ValueError(f"there are {len(raw)} raw contents for {len(tensors)} tensors")
    for number, tensor in enumerate(tensors):
        yield tensor, raw[number] if raw else None


def as_bytes(array: NDArray[Any], datatype: str) -> bytes:
    """An array as raw contents."""
    return np.ascontiguousarray(array, _TYPES[datatype]).tobytes()


def _fits(
    tensor: pb.ModelMetadataResponse.TensorMetadata,
    kind: str,
    shape: Sequence[int],
    *,
    fixed: Sequence[int],
) -> bool:
    """Whether a tensor is of a type, each side one of two."""
    sides = tuple(tensor.shape)
    return (
        tensor.datatype == kind
        and len(sides) == len(shape)
        and all(side in either for side, *either in zip(sides, shape, fixed, strict=True))
    )


def _shown(tensor: pb.ModelMetadataResponse.TensorMetadata) -> str:
    return f"{tensor.name} {tensor.datatype} {list(tensor.shape)}"
