"""A second KServe v2 server, which knows nothing of detectors: it runs any ONNX graph as it is.

It serves a graph as Triton's ONNX Runtime backend does with `max_batch_size: 0`: names, types and shapes
are the graph's own, and statuses are what a test wants them to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc
import numpy as np
import onnxruntime

from millet.proto.inference import grpc_service_pb2 as pb
from millet.proto.inference import grpc_service_pb2_grpc as rpc

TYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}


class PlainServer(rpc.GRPCInferenceServiceServicer):
    """ONNX graphs by name, on loopback, until the `with` ends.

    Args:
        graphs: files by name; each has version 1.
        typed: answer with typed contents, not with raw ones.
        columns: answer lists as columns, as MLServer's codec makes them.
    """

    def __init__(self, graphs: Mapping[str, bytes], *, typed: bool = False, columns: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = {name: onnxruntime.InferenceSession(g, options) for name, g in graphs.items()}
        self._typed = typed
        self._columns = columns
        self.ready = True
        self.refuse: tuple[grpc.StatusCode, str] | None = None
        self.alter_metadata: Callable[[pb.ModelMetadataResponse], object] = lambda told: None
        self.alter_answer: Callable[[pb.ModelInferResponse], object] = lambda answer: None
        self.shapes: list[list[int]] = []
        self.headers: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool, options=options)
        rpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
        self._pool.shutdown()

    def ServerReady(self, request, context):  # noqa: N802 - the rpc's name
        """Whatever a test wants."""
        return pb.ServerReadyResponse(ready=self.ready)

    def ModelReady(self, request, context):  # noqa: N802 - the rpc's name
        """As Triton tells it: no error for a model that is not there."""
        return pb.ModelReadyResponse(ready=request.name in self._sessions and request.version in {"", "1"})

    def ModelMetadata(self, request, context):  # noqa: N802 - the rpc's name
        """The graph's own inputs and outputs."""
        if self.refuse:
            context.abort(*self.refuse)
        session = self._sessions[request.name]
        told = pb.ModelMetadataResponse(
            name=request.name,
            versions=["1"],
            platform="onnxruntime_onnx",
            inputs=[_told(tensor) for tensor in session.get_inputs()],
            outputs=[_told(tensor) for tensor in session.get_outputs()],
        )
        self.alter_metadata(told)
        return told

    def ModelInfer(self, request, context):  # noqa: N802 - the rpc's name
        """One run of the graph."""
        self.headers += context.invocation_metadata()
        if self.refuse:
            context.abort(*self.refuse)
        (tensor,), (raw,) = request.inputs, request.raw_input_contents
        self.shapes.append(list(tensor.shape))
        names = [output.name for output in request.outputs]
        fed = {tensor.name: np.frombuffer(raw, "<f4").reshape(tensor.shape)}
        found = dict(zip(names, self._sessions[request.model_name].run(names, fed), strict=True))
        answer = pb.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        for name, array in found.items():
            whole = array.dtype.kind == "i"
            shape = array.shape if array.ndim > 1 or not self._columns else (*array.shape, 1)
            output = answer.outputs.add(name=name, datatype="INT64" if whole else "FP32", shape=shape)
            if not self._typed:
                output.contents.SetInParent()  # empty, as MLServer has it
                answer.raw_output_contents.append(array.tobytes())
            elif whole:
                output.contents.int64_contents.extend(array.ravel().tolist())
            else:
                output.contents.fp32_contents.extend(array.ravel().tolist())
        self.alter_answer(answer)
        return answer


def _told(tensor: onnxruntime.NodeArg) -> pb.ModelMetadataResponse.TensorMetadata:
    shape = [side if isinstance(side, int) else -1 for side in tensor.shape]
    return pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=TYPES[tensor.type], shape=shape)
