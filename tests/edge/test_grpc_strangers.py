"""Who needs no role, or has none, holds up nobody: real frames of HTTP/2 that no client of gRPC sends."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from analyses import analysis
from grpc_bench import Bench
from grpc_health.v1 import health_pb2, health_pb2_grpc
from strangers import Stranger
from worklists import status

from millet.proto.millet.v1 import analysis_service_pb2 as pb

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
NOTHING = b""
"""A message without fields."""


@pytest.fixture
def bench() -> Bench:
    """A server with one series."""
    made = Bench()
    made.worklist.put(status(1), analysis(2))
    return made


def test_whoever_follows_the_health_and_reads_nothing_holds_up_nobody(bench):
    """Watchers are told changes, the health goes on, and a stop ends."""

    async def test(stub):
        with await asyncio.to_thread(Stranger, bench.port, 0) as stranger:
            stream = stranger.call(WATCH, sends=NOTHING)
            await asyncio.to_thread(stranger.hears, stream)
            watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
            assert (await watch.read()).series.revision == 1
            health = health_pb2_grpc.HealthStub(bench.channel).Watch(health_pb2.HealthCheckRequest())
            for reason, serving in (("", "SERVING"), ("not loaded yet", "NOT_SERVING"), ("", "SERVING")):
                bench.reasons = {"model": reason}
                wanted = health_pb2.HealthCheckResponse.ServingStatus.Value(serving)
                while (await health.read()).status != wanted:
                    pass
            bench.worklist.put(status(2))
            assert (await watch.read()).series.revision == 2
            await bench.server.stop(0)

    bench.run(test)


def test_whoever_follows_the_health_is_told_that_we_stop(bench):
    """First that nothing is served any more, then UNAVAILABLE."""

    async def test(_stub):
        health = health_pb2_grpc.HealthStub(bench.channel).Watch(health_pb2.HealthCheckRequest())
        while (await health.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        stopping = asyncio.ensure_future(bench.server.stop(3600))
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await stopping

    bench.run(test)
