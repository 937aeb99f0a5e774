"""The detector on another machine: one graph of a KServe v2 server (Triton's gRPC protocol)."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc
import numpy as np
import torch
from google.protobuf.message import Message
from numpy.typing import NDArray

from millet.core.retry import next_try_s
from millet.edge.kserve import contract
from millet.edge.kserve.contract import INPUT, WINDOW, Name, WrongGraph
from millet.edge.kserve.transport import Endpoint
from millet.errors import DetectorError, ModelError, OutOfMemory
from millet.ports import Peaks
from millet.proto.inference import grpc_service_pb2 as pb
from millet.proto.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub

A = TypeVar("A", bound=Message)
Code = grpc.StatusCode
_NO_MODEL = frozenset((Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.UNKNOWN))
"""How servers tell that a model is not theirs: by the protocol, and MLServer."""
_NO_MEMORY = re.compile("out of memory|failed to allocate", re.IGNORECASE)
"""How ONNX Runtime under Triton tells it, with the status INTERNAL."""


class KServeDetector:
    """A `ports.Detector`. Thread-safe; each caller's request is under way by itself.

    Raises ModelError where the server has no such model, or one that is no detector, and DetectorError
    where it does not answer. Only what was not available is tried again, within the endpoint's patience.

    Args:
        endpoint: where.
        name: `contract.served_name`.
        precision: what the graph there is written in.
        digest: SHA-256 of the graph in hex; an answer that names another one is refused.
        pause: waits so many seconds between two tries; by default until `close`, at most.
    """

    device = "cpu"

    def __init__(
        self,
        endpoint: Endpoint,
        name: Name,
        *,
        precision: str = "fp32",
        digest: str = "",
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.precision = precision
        """What the graph is written in."""
        self._endpoint = endpoint
        self._name = name
        self._digest = digest
        self.told_digest = ""
        """What the newest answer named; empty where the server tells none."""
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait
        self._channel = endpoint.channel()
        self._stub = GRPCInferenceServiceStub(self._channel)
        try:
            told = self._introduced()
        except BaseException:
            self.close()
            raise
        self._outputs = [output.name for output in told.outputs if output.name in contract.OUTPUTS]
        self._batches = contract.takes_batches(told)
        self.provider = f"KServe v2 at {endpoint.address} ({told.platform or 'unnamed platform'})"
        """Where it is computed, and by what, as the server names it."""

    def close(self) -> None:
        """Give the connection up; calls under way fail. Twice is once."""
        self._closed.set()
        self._channel.close()

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each window. Blocks; raises DetectorError, OutOfMemory where fewer may do."""
        whole = windows.contiguous().numpy()
        if whole.ndim != 4:
            raise DetectorError(f"{self}: windows must be (N, D, H, W), not {whole.shape}")
        most = self._endpoint.request_bytes // max(1, whole[:1].nbytes) or 1 if self._batches else 1
        parts = (whole[first : first + most] for first in range(0, len(whole), most))
        return [peaks for part in parts for peaks in self._looked(part)]

    def __str__(self) -> str:
        return f"model {self._name.model}/{self._name.version} at {self._endpoint.address}"

    def _introduced(self) -> pb.ModelMetadataResponse:
        """The model's metadata, once server and model are ready and fit."""
        model, version = self._name
        if not self._call(self._stub.ServerReady, pb.ServerReadyRequest()).ready:
            raise DetectorError(f"{self}: the server is not ready")
        asked = pb.ModelReadyRequest(name=model, version=version)
        if not self._asked_of_model(self._stub.ModelReady, asked).ready:
            raise ModelError(f"{self}: the server does not have it, or it is not ready")
        told = self._asked_of_model(
            self._stub.ModelMetadata, pb.ModelMetadataRequest(name=model, version=version)
        )
        if mistakes := list(contract.misfits(told)):
            raise ModelError(f"{self}: {'; '.join(mistakes)}")
        return told

    def _asked_of_model(self, rpc: Callable[..., A], request: Message) -> A:
        """A call that fails for good where the server has not the model."""
        try:
            return self._call(rpc, request)
        except DetectorError as error:
            failed = error.__cause__
            if isinstance(failed, grpc.RpcError) and failed.code() in _NO_MODEL:
                raise ModelError(str(error)) from error
            raise

    def _looked(self, windows: NDArray[np.float32]) -> Sequence[Peaks]:
        """The peaks of each of the windows that go in one request."""
        answer = self._call(self._stub.ModelInfer, self._request(windows))
        facts = answer.parameters
        told = facts[contract.DIGEST].string_param if contract.DIGEST in facts else ""
        if self._digest and told not in {"", self._digest}:
            raise WrongGraph(f"{self} has digest {told}, its manifest {self._digest}")
        self.told_digest = told
        try:
            return _of_each(len(windows), self._tensors(answer))
        except ValueError as error:
            raise DetectorError(f"{self} gave no peaks: {error}") from error

    def _request(self, windows: NDArray[np.float32]) -> pb.ModelInferRequest:
        count, *sides = windows.shape
        model, version = self._name
        return pb.ModelInferRequest(
            model_name=model,
            model_version=version,
            inputs=[
                pb.ModelInferRequest.InferInputTensor(name=INPUT, datatype="FP32", shape=[count, 1, *sides])
            ],
            outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in self._outputs],
            raw_input_contents=[contract.as_bytes(windows, "FP32")],
        )

    def _tensors(self, answer: pb.ModelInferResponse) -> dict[str, NDArray[Any]]:
        """The outputs by name. Raises ValueError where one is missing, or they do not belong together."""
        if answer.model_name != self._name.model:
            raise ValueError(f"it is the answer of model {answer.model_name!r}")
        found = {
            tensor.name: contract.values(tensor, raw)
            for tensor, raw in contract.raw_parts(answer.outputs, answer.raw_output_contents)
        }
        if missing := set(self._outputs) - set(found):
            raise ValueError(f"{', '.join(sorted(missing))} is missing")
        return {name: _sound(name, found[name], found["score"].size) for name in self._outputs}

    def _call(self, rpc: Callable[..., A], request: Message) -> A:
        """One call, tried again while the server is not available."""
        headers = tuple(self._endpoint.headers.items())
        began_s, tries = time.monotonic(), 0
        while not self._closed.is_set():
            tries += 1
            try:
                return rpc(request, timeout=self._endpoint.timeout_s, metadata=headers)
            except grpc.RpcError as error:
                age_s = time.monotonic() - began_s
                wait_s = next_try_s(tries, age_s, self._endpoint.patience, random.random())  # noqa: S311 - jitter
                if error.code() is not Code.UNAVAILABLE or wait_s is None:
                    raise self._named(error) from error
            except ValueError as error:  # gRPC's, of a channel that another thread has closed
                raise DetectorError(f"{self}: {error}") from error
            self._pause(wait_s)
        raise DetectorError(f"{self}: the connection was given up")

    def _named(self, error: grpc.RpcError) -> DetectorError:
        code, details = error.code(), error.details() or ""
        short = code is Code.RESOURCE_EXHAUSTED or (code is Code.INTERNAL and _NO_MEMORY.search(details))
        return (OutOfMemory if short else DetectorError)(f"{self}: {code.name}: {details[:300]}")


def _sound(name: str, array: NDArray[Any], peaks: int) -> NDArray[Any]:
    """An output of the shape and kind that it must have, all of it finite. Raises ValueError."""
    datatype, (_, *rest) = contract.OUTPUTS[name]
    shaped = array[:, 0] if not rest and array.shape[1:] == (1,) else array  # MLServer makes columns of lists
    if shaped.shape != (peaks, *rest) or shaped.dtype.kind != datatype[0].lower():
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}")
    if not np.isfinite(shaped).all():
        raise ValueError(f"{name} is not finite")
    return shaped


def _of_each(windows: int, found: dict[str, NDArray[Any]]) -> Sequence[Peaks]:
    """The peaks of each window, in their order. Raises ValueError where one lies in none of them."""
    lies_in = found.pop(WINDOW, np.zeros(len(found["score"]), np.int64))
    if lies_in.size and not 0 <= lies_in.min() <= lies_in.max() < windows:
        raise ValueError(f"a peak lies in none of {windows} windows")
    return [
        Peaks(**{name: array[lies_in == number] for name, array in found.items()})
        for number in range(windows)
    ]
