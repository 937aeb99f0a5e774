"""The detector on this machine's CPU, by OpenVINO. Nothing is cached on disk or sent anywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch

from millet.errors import DetectorError, ModelError
from millet.ports import Peaks

KERNELS = "200"
"""Kernels that OpenVINO keeps of each graph, each made for one shape of window. By default it keeps 5,000:
since each chest has windows of other shapes, 1.7 MB more were held with each new one, 500 MB after 300. To
make one anew costs little beside running it."""

_HINTS = {"fp32": "f32", "bf16": "bf16"}
_COMPUTES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}


class OpenVinoDetector:
    """A `ports.Detector`. One inference at a time uses all its threads; further callers wait.

    Whatever a graph is written in runs: an int8 one (QDQ) by the CPU's 8 bit instructions, an fp16 one
    in fp32, for which it was converted; `provider` tells what was seen to be computed.

    An fp32 graph may be asked to `compute` in bf16, where the CPU can (AMX, or AVX-512 with BF16): with
    AMX 2.4 times as fast as in fp32, and scores differ a quarter as much as those of int8.
    """

    device = "cpu"

    def __init__(
        self, model: bytes, *, precision: str = "fp32", threads: int = 0, compute: str = "fp32"
    ) -> None:
        """Raises ModelError for a graph that the engine does not take, and where it cannot compute so."""
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[compute],
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS,
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            core = _core()
            compiled = core.compile_model(core.read_model(model), "CPU", options)
            self._request = compiled.create_infer_request()
            held = {name for output in compiled.outputs for name in output.get_names()}
            wanted = [name for name in Peaks._fields if name not in Peaks._field_defaults or name in held]
            self._outputs = {name: compiled.output(name) for name in wanted}
            computed = sorted(set(_computed(compiled)))
        except RuntimeError as error:
            raise ModelError(f"OpenVINO does not take the model: {error}") from error
        if compute == "bf16" and not {"bf16", "int8"} & set(computed):
            raise ModelError(f"this CPU does not compute in bf16, only in {' and '.join(computed)}")
        self._lock = threading.Lock()
        self.precision = precision
        """What the graph is written in."""
        self.provider = "OpenVINO CPU" + _told(precision, computed)
        """The device, as OpenVINO names it, and what it computes in where that is not the graph's."""

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each window, one after the other: a CPU gains nothing from several at once."""
        return [self._looked(window) for window in windows]

    def _looked(self, window: torch.Tensor) -> Peaks:
        batch = window[None, None].contiguous().numpy()
        with self._lock:
            try:
                self._request.infer([batch], share_inputs=True)
                found = {name: self._request.get_tensor(o).data.copy() for name, o in self._outputs.items()}
            except RuntimeError as error:
                raise DetectorError(f"OpenVINO failed on a window {tuple(window.shape)}: {error}") from error
        return Peaks(**found)


@cache
def _core() -> Any:
    """The one core of this process, which ends with it.

    Each core changes the stack that the thread's signal handlers run on, and puts back the former when it
    ends. Of several that end in another order than the reverse, one puts back a stack that is gone: the
    next signal, be it a request to stop, ends the process (SIGSEGV).
    """
    import openvino

    return openvino.Core()


def _computed(compiled: Any) -> Iterator[str]:
    """What each convolution of a compiled graph runs in, as the engine tells it."""
    for node in compiled.get_runtime_model().get_ops():
        told = node.get_rt_info()
        if told["layerType"].astype(str) == "Convolution":
            name = told["runtimePrecision"].astype(str).lower()
            yield _COMPUTES.get(name, name)


def _told(precision: str, computed: list[str]) -> str:
    """Nothing where convolutions run in what was asked; a quantised graph may keep some in fp32."""
    if not computed or precision in computed:
        return ""
    return f" computing in {' and '.join(computed)}"
