"""What a foreign graph must show before it is taken: its inputs and outputs, and a run on small windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from millet.core.manifest import Level
from millet.errors import ModelError

INPUT_RANK = 5
OUTPUTS = {"position_voxels": 2, "diameter_voxels": 1, "score": 1}
"""What every graph gives, with the number of axes."""
OPTIONAL = {"pyramid": 1, "window": 1}
SIDE_VOXELS = 16
"""Windows of a trial are at least this long on every side."""
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was seen: the windows (z, y, x) that were run and how many peaks came out of each."""

    windows: tuple[tuple[int, int, int], ...] = ()
    peaks: tuple[int, ...] = ()


def examined(encoded: bytes, name: str) -> None:
    """Judge a graph by what it says of itself. Raises ModelError that names the file and the field."""
    try:
        model = onnx.load_model_from_string(encoded)
    except Exception as error:
        raise ModelError(f"{name} is no ONNX: {_first_line(error)}") from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{name} keeps weights in other files, which its digest would not cover")
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ModelError(f"{name} is no valid ONNX: {_first_line(error)}") from error
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {one.name: one for one in model.graph.input if one.name not in weights}
    if list(inputs) != ["hu"]:
        raise ModelError(f"{name}: input must be `hu` alone, not {_told(inputs)}")
    _judged(name, "input hu", inputs["hu"], INPUT_RANK, (TensorProto.FLOAT,))
    outputs = {one.name: one for one in model.graph.output}
    if missing := [wanted for wanted in OUTPUTS if wanted not in outputs]:
        raise ModelError(f"{name}: output {' and '.join(missing)} is missing, it has {_told(outputs)}")
    for wanted, rank in OUTPUTS.items():
        _judged(name, f"output {wanted}", outputs[wanted], rank, (TensorProto.FLOAT,))
    for wanted, rank in OPTIONAL.items():
        if wanted in outputs:
            _judged(name, f"output {wanted}", outputs[wanted], rank, (TensorProto.INT64,))


def _told(names: object) -> str:
    return ", ".join(f"`{name}`" for name in names) if isinstance(names, dict) and names else "none"


def _judged(name: str, where: str, value: onnx.ValueInfoProto, rank: int, types: tuple[int, ...]) -> None:
    tensor = value.type.tensor_type
    if tensor.elem_type not in types:
        wanted = " or ".join(TensorProto.DataType.Name(kind) for kind in types)
        raise ModelError(f"{name}: {where} is {TensorProto.DataType.Name(tensor.elem_type)}, not {wanted}")
    if tensor.HasField("shape") and len(tensor.shape.dim) != rank:
        raise ModelError(f"{name}: {where} has {len(tensor.shape.dim)} axes, not {rank}")


def tried(encoded: bytes, name: str, level: Level, hu_range: tuple[float, float]) -> Trial:
    """Run a graph on two small windows of a level, with a core, of different sizes. Raises ModelError."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(encoded, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{name} does not load: {_first_line(error)}") from error
    names = [*OUTPUTS, *(o.name for o in session.get_outputs() if o.name in OPTIONAL)]
    shapes, counts = [], []
    for more in (0, 1):
        sides = zip(level.multiple_voxels, level.halo_voxels, strict=True)
        z, y, x = (step * (-(-max(SIDE_VOXELS, 2 * halo + 1) // step) + more) for step, halo in sides)
        window = _window((z, y, x), hu_range)
        try:
            found = session.run(names, {"hu": window[None, None]})
        except Exception as error:
            why = _first_line(error)
            raise ModelError(f"{name} fails on a window of {window.shape}: {why}") from error
        _sound(name, window.shape, dict(zip(names, found, strict=True)))
        shapes.append((z, y, x))
        counts.append(len(found[2]))
    return Trial(windows=tuple(shapes), peaks=tuple(counts))


def _window(shape: tuple[int, int, int], hu_range: tuple[float, float]) -> NDArray[np.float32]:
    """Noisy lung with a ball of soft tissue in the middle, seeded."""
    hu = np.random.default_rng(SEED).normal(-850, 30, shape)
    middle = [np.arange(side) - side / 2 for side in shape]
    square = sum(axis**2 for axis in np.meshgrid(*middle, indexing="ij"))
    hu[square < 3.0**2] = 40.0
    return np.clip(hu, *hu_range).astype(np.float32)


def _sound(name: str, shape: tuple[int, ...], found: Mapping[str, NDArray[np.float32]]) -> None:
    """Outputs belong together and mean something. Raises ModelError."""
    score, diameter = found["score"], found["diameter_voxels"]
    count = len(score)
    for output, values in found.items():
        if values.shape != ((count, 3) if output == "position_voxels" else (count,)):
            raise ModelError(f"{name}: {output} has shape {values.shape} for {count} scores")
    if not all(np.isfinite(values).all() for values in found.values()):
        raise ModelError(f"{name}: not all outputs are finite on a window of {shape}")
    if count and not (0 <= score.min() and score.max() <= 1):
        raise ModelError(f"{name}: score must be 0..1, not {score.min():g}..{score.max():g}")
    if count and diameter.min() <= 0:
        raise ModelError(f"{name}: diameter_voxels must be above 0, not {diameter.min():g}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
