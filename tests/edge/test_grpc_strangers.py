"""Who needs no role, or has none, holds up nobody: real frames of HTTP/2 that no client of gRPC sends."""

from __future__ import annotations

import asyncio
import struct
from contextlib import ExitStack, suppress

import grpc
import pytest
from analyses import analysis
from gates import MemoryGate
from grpc_bench import Bench, refused
from grpc_health.v1 import health_pb2, health_pb2_grpc
from strangers import Stranger
from worklists import status

from millet.edge.grpc_api.connect import Connect
from millet.edge.grpc_api.health import HealthService
from millet.edge.grpc_api.holding import SHARE, MessageInterceptor, ShareInterceptor
from millet.edge.grpc_api.registered import Registered
from millet.ports import Shown
from millet.proto.millet.v1 import analysis_service_pb2 as pb

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
GET = "/millet.v1.AnalysisService/GetAnalysis"
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


def test_strangers_who_send_no_message_are_refused_at_once(bench):
    """Their calls are open for ever and held by nobody; who is known is answered."""
    bench.behind(MemoryGate())

    async def test(stub):
        with await asyncio.to_thread(Stranger, bench.port) as stranger:
            for _ in range(20):
                await asyncio.to_thread(stranger.ended, stranger.call(GET, sends=None))
            request = pb.GetAnalysisRequest(site="default", series_uid="1.2.826.0.1.1")
            answer = await stub.GetAnalysis(request, metadata=(("authorization", "Bearer viewer-token"),))
            assert answer.total_nodules == 2

    bench.run(test)


@pytest.mark.parametrize(
    ("path", "sends", "window"),
    [(CHECK, None, None), (CHECK, NOTHING, 0), (WATCH, NOTHING, None), (WATCH, NOTHING, 0)],
    ids=["no message", "no answer", "endless", "endless and unread"],
)
def test_a_stranger_keeps_nobody_else_from_the_health(bench, path, sends, window):
    """It gets half of them, until it has gone; whoever calls from elsewhere is answered."""

    async def test(_stub):
        elsewhere = health_pb2_grpc.HealthStub(bench.channel)
        with await asyncio.to_thread(Stranger, bench.port, window, "127.0.0.2") as stranger:
            for _ in range(SHARE // 2):
                await asyncio.to_thread(stranger.hears, stranger.call(path, sends=sends))
            for _ in range(3):
                await asyncio.to_thread(stranger.ended, stranger.call(path, sends=sends))
            assert (await elsewhere.Watch(health_pb2.HealthCheckRequest()).read()).status
            assert (await elsewhere.Check(health_pb2.HealthCheckRequest())).status
            assert (await elsewhere.List(health_pb2.HealthListRequest())).statuses

    bench.run(test)


def test_what_needs_no_role_has_a_share_of_its_own(bench):
    """Strangers everywhere fill it: whoever comes then is told to come later, until they have gone."""

    async def test(_stub):
        health = health_pb2_grpc.HealthStub(bench.channel)
        with ExitStack() as strangers:
            for number, places in enumerate((50, 25, 13, 6, 3, 2, 1), start=2):
                stranger = await asyncio.to_thread(Stranger, bench.port, None, f"127.0.0.{number}")
                strangers.enter_context(stranger)
                for _ in range(places):
                    await asyncio.to_thread(stranger.hears, stranger.call(WATCH, sends=NOTHING))
            ask = health.Watch(health_pb2.HealthCheckRequest())
            assert await refused(ask.read()) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
            assert (await health.Check(health_pb2.HealthCheckRequest())).status
        while True:
            with suppress(grpc.aio.AioRpcError):
                assert await health.Watch(health_pb2.HealthCheckRequest()).read()
                return

    bench.run(test)


def test_a_call_that_is_let_in_and_does_not_go_on_is_ended(bench):
    """Whoever may call has a while for the message."""
    bench.server._interceptors = [MessageInterceptor(within_s=0.01)]

    async def test(_stub):
        call = bench.channel.stream_unary(GET)()
        assert await refused(call) == ("ABORTED", "STALLED")

    bench.run(test)


def test_a_call_that_ends_without_a_message_is_malformed(bench):
    """Whoever half-closes at once is told what is missing."""

    async def test(_stub):
        call = bench.channel.stream_unary(GET)(iter(()))
        assert await refused(call) == ("INVALID_ARGUMENT", "MALFORMED")

    bench.run(test)


class OverHttp:
    """Follows the health by Connect, until it goes."""

    def __init__(self, calls: Connect) -> None:
        self._calls = calls
        self._said: asyncio.Queue[dict] = asyncio.Queue()
        self.told: asyncio.Queue[bytes] = asyncio.Queue()
        """What was told, an envelope each."""
        self._said.put_nowait({"type": "http.request", "body": struct.pack(">BI", 0, 2) + b"{}"})

    def go(self) -> None:
        """Be gone."""
        self._said.put_nowait({"type": "http.disconnect"})

    async def follow(self) -> None:
        """Call."""
        shown = Shown(address="192.0.2.1")
        scope = {"type": "http", "method": "POST", "path": WATCH, "state": {"shown": shown}}
        scope["headers"] = [(b"content-type", b"application/connect+json")]

        async def send(message) -> None:
            if body := message.get("body"):
                self.told.put_nowait(body)

        await self._calls(scope, self._said.get, send)


def test_what_needs_no_role_has_the_same_share_over_http():
    """A place is taken until its caller is gone."""

    async def test() -> None:
        registered = Registered([ShareInterceptor(share=1)])
        health_pb2_grpc.add_HealthServicer_to_server(HealthService([""]), registered)
        for _ in range(2):
            first, second = (OverHttp(Connect(registered)) for _ in range(2))
            following = asyncio.ensure_future(first.follow())
            assert b"NOT_SERVING" in await first.told.get()
            await second.follow()
            assert b"resource_exhausted" in await second.told.get()
            first.go()
            await following

    asyncio.run(asyncio.wait_for(test(), 60))
