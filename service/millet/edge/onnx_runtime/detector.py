"""Windows in torch's memory, through a session of ONNX Runtime, to peaks on the host.

Theory of operation. Windows lie in torch's memory and are bound by their address; the outputs, of unknown
length, are allocated by ONNX Runtime on the device and copied to the host once. The same code binds the
CPU's memory where the device is the CPU. Windows of one shape run as one batch where the graph says which
of a batch each peak lies in, else one after the other.

On a GPU a session has a CUDA stream of its own, made by torch: it waits for what torch's current stream was
given before the call, and the call returns when it is through, so resampling by torch and inference never
race. (torch's default stream will not do: its address is 0, which ONNX Runtime takes for none given.) ONNX
Runtime ties a stream to a session when that is made. So `streams` sessions of one graph lie behind one
detector, whose callers need not know which of them is free: the weights are few, and a batch of windows
stays what it is, windows for one detector. (Tests marked `gpu` try this; no GPU has run them yet.)

CUDA graphs are not used. Capture takes no graph whose shapes depend on data, and all of ours end in NonZero.
The network before it could be captured if it were a graph by itself, with the peaks found by torch; to cut
it off when a model is loaded needs a package that the service does not have, and to ship it twice is a
second answer to keep equal. It would save the launches of some fifty kernels a run, an estimated quarter of
a millisecond for a batch of any size, once per window shape, and each shape would hold its buffers for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from millet.edge.onnx_runtime import providers
from millet.edge.onnx_runtime.providers import TensorRt
from millet.errors import DetectorError, ModelError, OutOfMemory
from millet.ports import Peaks

_COMPUTES = {("cpu", "fp16"): "fp32", ("cuda", "int8"): "fp32"}
"""Where a provider has no kernel for a graph's precision: it casts before each convolution."""
_WINDOW = "window"
"""The output that says which window of the batch each peak lies in."""
_EXHAUSTED = (
    "out of memory",
    "outofmemory",
    "failed to allocate memory",
    "available memory of",  # ONNX Runtime's arena: "... is smaller than requested bytes of ..."
    "_alloc_failed",
    "bad_alloc",
    "bad allocation",
)
"""How ONNX Runtime, CUDA's libraries, TensorRT, torch and C++ say it, in small letters."""


class OnnxRuntimeDetector:
    """A `ports.Detector`. Raises ModelError when the wanted device did not take the graph.

    `device` is cpu, cuda (the first) or cuda:N; `threads` are for the CPU. With `tensorrt` what TensorRT can
    take of the graph runs there, the rest on CUDA. `streams` batches run at once, each with memory of its
    own for what lies between the layers; further callers wait.
    """

    def __init__(
        self,
        model: bytes,
        *,
        precision: str = "fp32",
        device: str = "cpu",
        threads: int = 0,
        streams: int = 1,
        tensorrt: TensorRt | None = None,
    ) -> None:
        if streams < 1:
            raise ValueError(f"a detector runs on at least one stream, not on {streams}")
        self._place = providers.checked(device, tensorrt, precision)
        self.device = str(self._place)
        """Where windows are to lie."""
        self.precision = precision
        """What the graph is written in."""
        self._free: SimpleQueue[_Lane] = SimpleQueue()
        for _ in range(streams):
            lane = _Lane(self._place)
            lane.load(model, providers.asked(self._place, lane.address, tensorrt, precision), threads)
            self._free.put(lane)
        computed = _COMPUTES.get((self._place.type, precision))
        self.provider = f"{lane.took} computing in {computed}" if computed else lane.took
        """The execution providers that took the graph, and what they compute in where that is another."""
        held = {output.name for output in lane.session.get_outputs()}
        optional = Peaks._field_defaults
        self._outputs = [name for name in Peaks._fields if name not in optional or name in held]
        self._batches = _WINDOW in held

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each window. Blocks; raises DetectorError, and OutOfMemory."""
        if windows.dtype != torch.float32 or windows.device != self._place:
            given = f"{windows.dtype} on {windows.device}"
            raise DetectorError(f"windows are {given}, not float32 on {self.device}")
        if not len(windows):
            return []
        with self._lane() as lane, _named(windows):
            if self._batches:
                return _shared(lane.run(windows, [*self._outputs, _WINDOW]), len(windows))
            return [Peaks(**lane.run(window[None], self._outputs)) for window in windows]

    @contextmanager
    def _lane(self) -> Iterator[_Lane]:
        """A stream that nobody else uses, as soon as there is one."""
        lane = self._free.get()
        try:
            yield lane
        finally:
            self._free.put(lane)


class _Lane:
    """A session, and on a GPU the stream that it runs on. For one caller at a time."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self.stream: Any = None
        if place.type == "cuda":
            self.stream = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]  # untyped in torch
        self.address: int = self.stream.cuda_stream if self.stream else 0

    def load(self, model: bytes, asked: list[providers.Provider], threads: int) -> None:
        """Make the session. Raises ModelError."""
        self.session = _session(model, asked, threads)
        self.took = providers.taken(providers.assigned(self.session), asked[0][0])

    def run(self, windows: torch.Tensor, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The graph's outputs on the host, for windows (N, D, H, W) of any layout."""
        batch = windows[:, None].contiguous()
        kind, number = self._place.type, self._place.index or 0
        binding = self.session.io_binding()
        binding.bind_input("hu", kind, number, np.float32, tuple(batch.shape), batch.data_ptr())
        for name in outputs:
            binding.bind_output(name, kind, number)
        with self._after_torch():
            self.session.run_with_iobinding(binding)
        return dict(zip(outputs, binding.copy_outputs_to_cpu(), strict=True))

    @contextmanager
    def _after_torch(self) -> Iterator[None]:
        """Begin when torch has written the windows, and be through before they may go."""
        if self.stream is None:
            yield
            return
        with torch.cuda.device(self._place):  # which ONNX Runtime makes the thread's current one
            self.stream.wait_stream(torch.cuda.current_stream(self._place))
            yield
            self.stream.synchronize()


def _shared(found: dict[str, NDArray[Any]], count: int) -> list[Peaks]:
    """The peaks of a batch, window by window."""
    lies_in = found.pop(_WINDOW)
    of_each = [np.flatnonzero(lies_in == number) for number in range(count)]
    return [Peaks(**{name: values[some] for name, values in found.items()}) for some in of_each]


def _session(model: bytes, asked: list[providers.Provider], threads: int) -> Any:
    """A session on the wanted provider. Raises ModelError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # NaN-free graphs of fixed order: the same window gives the same bits on one device.
    options.use_deterministic_compute = True
    options.add_session_config_entry(providers.RECORD, "1")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=asked, enable_fallback=0)
    except Exception as error:
        raise ModelError(f"ONNX Runtime does not take the model: {error}") from error
    running = session.get_providers()
    if running[0] != asked[0][0]:
        lacking = "a library or the driver that it needs is not here"
        raise ModelError(f"{asked[0][0]} could not be started, only {', '.join(running)}: {lacking}")
    return session


@contextmanager
def _named(windows: torch.Tensor) -> Iterator[None]:
    """Give failures of ONNX Runtime and torch the names that the port promises."""
    try:
        yield
    except Exception as error:
        kind = OutOfMemory if is_exhausted(error) else DetectorError
        raise kind(f"ONNX Runtime failed on windows {tuple(windows.shape)}: {error}") from error


def is_exhausted(error: Exception) -> bool:
    """Whether a failure says that memory was lacking, on the device or on the host."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(text in said for text in _EXHAUSTED)
