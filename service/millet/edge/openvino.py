"""The detector on this machine's CPU, by OpenVINO. Nothing is cached on disk or sent anywhere."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millet.errors import DetectorError, ModelError
from millet.ports import Peaks


class OpenVinoDetector:
    """A `ports.Detector`. One inference at a time uses all its threads; further callers wait."""

    precision = "fp32"

    def __init__(self, model: bytes, *, threads: int = 0) -> None:
        import openvino

        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            core = openvino.Core()
            compiled = core.compile_model(core.read_model(model), "CPU", options)
            self._request = compiled.create_infer_request()
            self._outputs = [compiled.output(name) for name in Peaks._fields]
        except RuntimeError as error:
            raise ModelError(f"OpenVINO does not take the model: {error}") from error
        self._lock = threading.Lock()

    @property
    def provider(self) -> str:
        """The device, as OpenVINO names it."""
        return "OpenVINO CPU"

    def detect(self, window: NDArray[np.float32]) -> Peaks:
        """Find all peaks of a window (D, H, W) of HU. Blocks; raises DetectorError."""
        batch = np.ascontiguousarray(window[None, None], np.float32)
        with self._lock:
            try:
                self._request.infer([batch], share_inputs=True)
                found = [self._request.get_tensor(output).data.copy() for output in self._outputs]
            except RuntimeError as error:
                raise DetectorError(f"OpenVINO failed on a window {window.shape}: {error}") from error
        return Peaks(*found)
