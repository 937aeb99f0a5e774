"""A KServe server behind a gate: who may look, and how much is taken at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import torch
from gates import MemoryGate

from millet.core.retry import Patience
from millet.edge.grpc_api import shown
from millet.edge.kserve import Endpoint, Guard, KServeDetector, KServeServer, Name, Served
from millet.errors import DetectorError, Interrupted, OutOfMemory
from millet.ports import Peaks
from millet.proto.inference import grpc_service_pb2 as pb
from millet.proto.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub

NAME = Name("model-graph-fp32", "1")
VIEWER = {"authorization": "Bearer viewer-token"}
ONCE = Patience(first_s=0.01, longest_s=0.01, give_up_s=0)


class Finder:
    """A `Detector` that finds one peak in each window."""

    device, provider, precision = "cpu", "test", "fp32"

    def detect(self, windows):
        """One peak."""
        one = np.ones(1, np.float32)
        return [Peaks(np.zeros((1, 3), np.float32), one, one) for _ in windows]


@pytest.fixture
def gate():
    """Who may."""
    return MemoryGate()


@pytest.fixture
def serve(gate):
    """A way to start a server behind the gate."""
    started = []

    def start(look=None, **limits) -> str:
        served = Served(detector=Finder(), version="1", digest="d", first=torch.zeros(8, 8, 8), look=look)
        started.append(KServeServer({NAME.model: served}, guard=Guard(gate, shown, **limits)))
        return f"127.0.0.1:{started[-1].start()}"

    yield start
    for one in started:
        one.stop()


def test_only_who_is_recognised_has_windows_looked_at(serve, gate):
    """Health is told to everybody, metadata and peaks to those with a role."""
    address = serve()
    with grpc.insecure_channel(address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert stub.ServerReady(pb.ServerReadyRequest()).ready
        for call, request in (
            (stub.ServerMetadata, pb.ServerMetadataRequest()),
            (stub.ModelMetadata, pb.ModelMetadataRequest(name=NAME.model)),
            (stub.ModelInfer, pb.ModelInferRequest(model_name=NAME.model)),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    far = KServeDetector(Endpoint(address=address, headers=VIEWER), NAME)
    try:
        assert len(far.detect(torch.zeros(2, 8, 8, 8))) == 2
    finally:
        far.close()
    assert gate.asked[-1].what == "/inference.GRPCInferenceService/ModelInfer"
    assert gate.asked[-1].shown.address == "127.0.0.1"


def test_whoever_sends_no_message_holds_no_thread(serve):
    """As many open calls as there are threads: strangers are refused at once, and health is told."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    with grpc.insecure_channel(serve()) as channel:
        infer, live = (
            channel.stream_unary(f"/inference.GRPCInferenceService/{name}")
            for name in ("ModelInfer", "ServerLive")
        )
        try:
            strangers = [infer.future(nothing(), timeout=60) for _ in range(4)]
            assert {one.code() for one in strangers} == {grpc.StatusCode.UNAUTHENTICATED}
            askers = [live.future(nothing(), timeout=60) for _ in range(4)]
            assert {one.code() for one in askers} == {grpc.StatusCode.OK}
        finally:
            ended.set()


def test_a_known_caller_who_sends_no_message_gives_its_thread_away(serve):
    """As many as there are threads, and more: each is ended, and who sends one is answered."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    address = serve(silence_s=0.2)
    far = KServeDetector(Endpoint(address=address, headers=VIEWER), NAME)
    with grpc.insecure_channel(address) as channel:
        infer = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            silent = [infer.future(nothing(), metadata=tuple(VIEWER.items()), timeout=60) for _ in range(6)]
            assert len(far.detect(torch.zeros(2, 8, 8, 8))) == 2
            assert {one.code() for one in silent} == {grpc.StatusCode.ABORTED}
        finally:
            ended.set()
            far.close()
    waiting = [one for one in threading.enumerate() if one.name == "kserve message"]
    for one in waiting:
        one.join(30)
    assert not any(one.is_alive() for one in waiting)


def test_a_known_caller_who_ends_without_a_message_is_told(serve):
    """As gRPC tells it."""
    with grpc.insecure_channel(serve()) as channel:
        infer = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            infer(iter(()), metadata=tuple(VIEWER.items()), timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "one message" in caught.value.details()


def test_more_than_is_taken_at_once_asks_for_fewer_windows(serve):
    """A client of ours is told that memory is short, and what it sends then is answered."""
    far = KServeDetector(Endpoint(address=serve(most_bytes=5000), headers=VIEWER), NAME)
    try:
        with pytest.raises(OutOfMemory):
            far.detect(torch.zeros(3, 8, 8, 8))
        assert len(far.detect(torch.zeros(2, 8, 8, 8))) == 2
    finally:
        far.close()


def test_a_service_that_stops_is_not_available(serve):
    """A client of ours tries again, as with any server that is away."""

    def look(_windows, _when_gone):
        raise Interrupted

    far = KServeDetector(Endpoint(address=serve(look), headers=VIEWER, patience=ONCE), NAME)
    try:
        with pytest.raises(DetectorError, match="UNAVAILABLE: the service stops"):
            far.detect(torch.zeros(1, 8, 8, 8))
    finally:
        far.close()
