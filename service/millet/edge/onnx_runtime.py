"""The detector by ONNX Runtime, on CPU or CUDA; it never falls back from one to the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from millet.errors import DetectorError, ModelError
from millet.ports import Peaks

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_COMPUTES = {("cpu", "fp16"): "fp32", ("cuda", "int8"): "fp32"}
"""Where a provider has no kernel for a graph's precision: it casts before each convolution."""


class OnnxRuntimeDetector:
    """A `ports.Detector`. Raises ModelError when the wanted device did not take the graph."""

    device = "cpu"

    def __init__(
        self, model: bytes, *, precision: str = "fp32", device: str = "cpu", threads: int = 0
    ) -> None:
        import onnxruntime

        wanted = _PROVIDERS[device]
        if wanted not in onnxruntime.get_available_providers():
            raise ModelError(f"ONNX Runtime here has no {wanted}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # NaN-free graphs of fixed order: the same window gives the same bits on one device.
        options.use_deterministic_compute = True
        providers: list[object] = [wanted]
        if device == "cuda":
            providers = [(wanted, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})]
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=providers)
        except Exception as error:
            raise ModelError(f"ONNX Runtime does not take the model: {error}") from error
        self._session.disable_fallback()
        if self._session.get_providers()[0] != wanted:
            raise ModelError(f"{wanted} did not take the model; {self._session.get_providers()} did")
        held = {output.name for output in self._session.get_outputs()}
        optional = Peaks._field_defaults
        self._outputs = [name for name in Peaks._fields if name not in optional or name in held]
        self.precision = precision
        """What the graph is written in."""
        computed = _COMPUTES.get((device, precision))
        self.provider = f"{wanted} computing in {computed}" if computed else wanted
        """The execution provider that took the graph, and what it computes in where that is another."""

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each window. Blocks; raises DetectorError."""
        return [self._looked(window) for window in windows]

    def _looked(self, window: torch.Tensor) -> Peaks:
        batch = window[None, None].contiguous().numpy()
        try:
            found = self._session.run(self._outputs, {"hu": batch})
        except Exception as error:
            raise DetectorError(f"ONNX Runtime failed on a window {tuple(window.shape)}: {error}") from error
        return Peaks(**dict(zip(self._outputs, found, strict=True)))
