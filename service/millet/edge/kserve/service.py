"""GRPCInferenceService over detectors: each call answers, or says why not with the protocol's statuses.

NOT_FOUND: no such model or version. INVALID_ARGUMENT: tensors that do not fit the metadata, or windows that
are smaller than the graph takes. RESOURCE_EXHAUSTED: more windows than are taken at once, or than the device
has memory for. INTERNAL: the detector failed.
UNAVAILABLE: the service stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import torch
from numpy.typing import NDArray

from millet import __version__
from millet.edge.kserve import contract
from millet.edge.kserve.contract import INPUT, OUTPUTS, WINDOW
from millet.errors import DetectorError, Interrupted, OutOfMemory
from millet.ports import Detector, Peaks
from millet.proto.inference import grpc_service_pb2 as pb
from millet.proto.inference import grpc_service_pb2_grpc as rpc

Context = grpc.ServicerContext
Code = grpc.StatusCode


MOST_WINDOWS = 256
"""Of a request. Each costs its place in the queue of the device, however small it is; a client of ours sends
fewer when it is told RESOURCE_EXHAUSTED."""

Looking = Callable[[torch.Tensor, Callable[[Callable[[], None]], bool]], Sequence[Peaks]]
"""Finds the peaks of each of N windows (N, D, H, W) on the CPU. The second argument is told what to do when
the caller is gone; it says whether it will, since the caller may be gone by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One graph and what it is known by."""

    detector: Detector
    version: str
    digest: str
    """SHA-256 of its file in hex."""
    first: torch.Tensor
    """A window (D, H, W) that it is run on once before it is called ready."""
    look: Looking | None = None
    """How windows of callers are looked at, where others have their turn on the device; None: at once."""
    smallest: tuple[int, int, int] = (1, 1, 1)
    """Sides (D, H, W) in voxels that a window has at least."""


class _Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A call ends with a status and a sentence."""

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        self.code = code
        super().__init__(why)


@contextmanager
def _answering(context: Context) -> Iterator[None]:
    """Turn what can go wrong into statuses."""
    try:
        yield
    except _Refusal as refusal:
        context.abort(refusal.code, str(refusal))
    except ValueError as error:
        context.abort(Code.INVALID_ARGUMENT, str(error))
    except OutOfMemory as error:
        context.abort(Code.RESOURCE_EXHAUSTED, str(error))
    except DetectorError as error:
        context.abort(Code.INTERNAL, str(error))
    except Interrupted:
        context.abort(Code.UNAVAILABLE, "the service stops, or nobody waits for the answer")


class InferenceService(rpc.GRPCInferenceServiceServicer):
    """The six calls. Making one runs each model once; raises DetectorError where one cannot run."""

    def __init__(self, models: Mapping[str, Served]) -> None:
        self._models = models
        self._outputs = {name: _outputs(served) for name, served in models.items()}

    def ServerLive(self, _: pb.ServerLiveRequest, _context: Context) -> pb.ServerLiveResponse:  # noqa: N802 - the rpc's name
        """See the contract."""
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, _: pb.ServerReadyRequest, _context: Context) -> pb.ServerReadyResponse:  # noqa: N802 - the rpc's name
        """See the contract: every model has been run by now."""
        return pb.ServerReadyResponse(ready=True)

    def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:  # noqa: N802 - the rpc's name
        """See the contract."""
        with _answering(context):
            self._named(request.name, request.version)
        return pb.ModelReadyResponse(ready=True)

    def ServerMetadata(  # noqa: N802 - the rpc's name
        self, _: pb.ServerMetadataRequest, _context: Context
    ) -> pb.ServerMetadataResponse:
        """See the contract."""
        return pb.ServerMetadataResponse(name="millet", version=__version__)

    def ModelMetadata(  # noqa: N802 - the rpc's name
        self, request: pb.ModelMetadataRequest, context: Context
    ) -> pb.ModelMetadataResponse:
        """See the contract."""
        with _answering(context):
            served = self._named(request.name, request.version)
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return pb.ModelMetadataResponse(
            name=request.name,
            versions=[served.version],
            platform=served.detector.provider,
            inputs=[tensor(name=INPUT, datatype="FP32", shape=[-1, 1, -1, -1, -1])],
            outputs=[
                tensor(name=name, datatype=OUTPUTS[name][0], shape=OUTPUTS[name][1])
                for name in self._outputs[request.name]
            ],
        )

    def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:  # noqa: N802 - the rpc's name
        """See the contract."""
        with _answering(context):
            served = self._named(request.model_name, request.model_version)
            wanted = self._wanted(request)
            detector, windows = served.detector, torch.from_numpy(_windows(request, served.smallest))
            if served.look is None:
                looked = detector.detect(windows.to(detector.device))
            else:
                looked = served.look(windows, context.add_callback)
            found = _joined(looked, wanted)
        facts = {
            contract.DIGEST: served.digest,
            contract.PRECISION: detector.precision,
            contract.PROVIDER: detector.provider,
        }
        tensor = pb.ModelInferResponse.InferOutputTensor
        return pb.ModelInferResponse(
            model_name=request.model_name,
            model_version=served.version,
            id=request.id,
            parameters={name: pb.InferParameter(string_param=told) for name, told in facts.items()},
            outputs=[
                tensor(name=name, datatype=OUTPUTS[name][0], shape=array.shape)
                for name, array in found.items()
            ],
            raw_output_contents=[contract.as_bytes(array, OUTPUTS[name][0]) for name, array in found.items()],
        )

    def _named(self, name: str, version: str) -> Served:
        served = self._models.get(name)
        if served is None:
            raise _Refusal(Code.NOT_FOUND, f"there is no model {name!r}")
        if version not in {"", served.version}:
            raise _Refusal(Code.NOT_FOUND, f"model {name} has version {served.version}, not {version!r}")
        return served

    def _wanted(self, request: pb.ModelInferRequest) -> Sequence[str]:
        """The outputs that are asked for, all of them where none is."""
        held = self._outputs[request.model_name]
        wanted = [output.name for output in request.outputs] or held
        if unknown := sorted(set(wanted) - set(held)):
            raise ValueError(f"model {request.model_name} has no output {', '.join(unknown)}")
        return wanted


def _outputs(served: Served) -> Sequence[str]:
    """The outputs of a model, seen by running it."""
    (peaks,) = served.detector.detect(served.first[None].to(served.detector.device))
    return [name for name in OUTPUTS if name == WINDOW or getattr(peaks, name) is not None]


def _windows(request: pb.ModelInferRequest, smallest: Sequence[int]) -> NDArray[np.float32]:
    """(N, D, H, W) of HU. Raises ValueError, and _Refusal for too many."""
    if [tensor.name for tensor in request.inputs] != [INPUT]:
        raise ValueError(f"the one input is {INPUT}, not {[tensor.name for tensor in request.inputs]}")
    ((tensor, raw),) = contract.raw_parts(request.inputs, request.raw_input_contents)
    shape = tuple(tensor.shape)
    if tensor.datatype != "FP32" or len(shape) != 5 or shape[1] != 1 or min(shape) < 1:
        raise ValueError(f"{INPUT} is {tensor.datatype} {list(shape)}, not FP32 [N,1,D,H,W]")
    if shape[0] > MOST_WINDOWS:
        raise _Refusal(Code.RESOURCE_EXHAUSTED, f"a request has at most {MOST_WINDOWS} windows")
    if any(side < least for side, least in zip(shape[2:], smallest, strict=True)):
        raise ValueError(f"{INPUT} has windows of {list(shape[2:])} voxels, below {list(smallest)}")
    found: NDArray[np.float32] = contract.values(tensor, raw)[:, 0]
    return found


def _joined(found: Sequence[Peaks], wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The peaks of all windows as one array for each output."""
    joined: dict[str, NDArray[Any]] = {}
    for name in wanted:
        if name == WINDOW:
            joined[name] = np.repeat(np.arange(len(found)), [len(peaks.score) for peaks in found])
        else:
            joined[name] = np.concatenate([getattr(peaks, name) for peaks in found])
    return joined
