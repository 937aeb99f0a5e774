"""The gate before gRPC: real channels with and without tokens, certificates and TLS."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import grpc
import pytest
from analyses import analysis
from certificates import Authority
from gates import TOKENS, MemoryGate
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from instances import START_UTC
from prometheus_client import CollectorRegistry
from readers import MemoryReaders
from worklists import MemoryWorklist, status

from millet.codec.bounds import LONGEST_UID
from millet.edge.grpc_api import GrpcServer, GrpcSources, credentials
from millet.edge.grpc_api.gate import GateInterceptor
from millet.edge.telemetry import Telemetry
from millet.edge.tls import Files, ServerTls
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

GET = pb.GetAnalysisRequest(site="default", series_uid="1.2.826.0.1.1")


class Bench:
    """A server behind a gate, with one analysed series."""

    def __init__(self, tls: ServerTls | None = None, *, require: bool = False) -> None:
        self.gate = MemoryGate()
        self.worklist = MemoryWorklist()
        self.worklist.put(status(1), analysis(2))
        self.readers = MemoryReaders()
        sources = GrpcSources(
            worklist=self.worklist,
            readers=self.readers,
            ready=dict,
            telemetry=Telemetry(CollectorRegistry(), "0.1.0"),
            utc=lambda: START_UTC,
        )
        self.server = GrpcServer(
            sources,
            gate=self.gate,
            credentials=None if tls is None else credentials(tls.pems, require=require),
            poll_s=0.02,
        )

    def run(self, test) -> None:
        """Run a test with the server's port."""

        async def whole() -> None:
            port = await self.server.start("127.0.0.1", 0)
            try:
                await asyncio.wait_for(test(port), 30)
            finally:
                await self.server.stop(0)

        asyncio.run(whole())


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a token."""
    return (("authorization", f"Bearer {token}"),)


async def refused(call) -> str:
    """The status with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name


@asynccontextmanager
async def plain(port: int):
    """A channel without TLS."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


@asynccontextmanager
async def secured(port: int, authority: Authority, pair=None):
    """A channel over TLS, with a certificate or without."""
    shown = () if pair is None else (pair.key.read_bytes(), pair.certificate.read_bytes())
    made = grpc.ssl_channel_credentials(authority.roots.read_bytes(), *shown)
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", made) as channel:
        yield channel


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearer("wrong"),
        bearer(""),
        (("authorization", "viewer-token"),),
        (("authorization", "Basic viewer-token"),),
        (("x-token", "viewer-token"),),
    ],
    ids=["none", "wrong", "empty", "no scheme", "another scheme", "another header"],
)
def test_whoever_shows_no_token_of_ours_gets_nothing(metadata):
    """Single answers, streams and reflection alike; nothing was given out."""
    bench = Bench()

    async def test(port):
        async with plain(port) as channel:
            stub = AnalysisServiceStub(channel)
            watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(), metadata=metadata)
            ask = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
            reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                ask, metadata=metadata
            )
            calls = [
                stub.GetAnalysis(GET, metadata=metadata),
                stub.ListAnalyses(pb.ListAnalysesRequest(), metadata=metadata),
                watch.read(),
                reflect.read(),
            ]
            assert [await refused(call) for call in calls] == ["UNAUTHENTICATED"] * 4

    bench.run(test)
    assert bench.gate.given == []


def test_a_viewer_s_token_opens_answers_and_streams_and_each_is_told():
    """Who read which series; the token goes no further than the gate."""
    bench = Bench()

    async def test(port):
        async with plain(port) as channel:
            stub = AnalysisServiceStub(channel)
            metadata = bearer("viewer-token")
            assert (await stub.GetAnalysis(GET, metadata=metadata)).total_nodules == 2
            assert len((await stub.ListAnalyses(pb.ListAnalysesRequest(), metadata=metadata)).series) == 1
            watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(), metadata=metadata)
            assert (await watch.read()).series.series_uid == GET.series_uid
            other = pb.GetAnalysisRequest(site="default", series_uid="9.9")
            assert await refused(stub.GetAnalysis(other, metadata=metadata)) == "NOT_FOUND"

    bench.run(test)
    service = "/millet.v1.AnalysisService"
    assert bench.gate.given == [
        ("viewer", f"{service}/GetAnalysis", GET.series_uid),
        ("viewer", f"{service}/ListAnalyses", ""),
        ("viewer", f"{service}/WatchAnalyses", ""),
    ]
    assert {asked.shown.address for asked in bench.gate.asked} == {"127.0.0.1"}
    assert "viewer-token" not in repr(bench.gate.asked)


def test_what_is_no_uid_is_told_no_longer_than_one():
    """A stream is told of before anybody has looked at what it asks for."""
    bench = Bench()

    async def test(port):
        async with plain(port) as channel:
            asked = pb.StreamAnalysisRequest(site="default", series_uid="1" * 1_000_000)
            call = AnalysisServiceStub(channel).StreamAnalysis(asked, metadata=bearer("viewer-token"))
            assert await refused(call.read()) == "NOT_FOUND"

    bench.run(test)
    assert bench.gate.given == [("viewer", "/millet.v1.AnalysisService/StreamAnalysis", "1" * LONGEST_UID)]


def test_a_stream_ends_when_its_reader_may_no_longer_read(monkeypatch):
    """A token that is taken back, or expires, ends the stream at its next message."""
    bench = Bench()
    bench.server._interceptors = [GateInterceptor(bench.gate, again_s=0.0)]

    async def test(port):
        async with plain(port) as channel:
            stub = AnalysisServiceStub(channel)
            watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(), metadata=bearer("viewer-token"))
            assert (await watch.read()).series.revision == 1
            monkeypatch.delitem(TOKENS, "viewer-token")
            bench.worklist.put(status(2), analysis(2))
            await asyncio.to_thread(bench.server.wake)
            assert await refused(watch.read()) == "UNAUTHENTICATED"

    bench.run(test)


def test_health_is_told_to_everybody():
    """Whatever asks for it holds no token."""
    bench = Bench()

    async def test(port):
        async with plain(port) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert (await stub.Check(health_pb2.HealthCheckRequest())).status
            assert (await stub.Watch(health_pb2.HealthCheckRequest()).read()).status

    bench.run(test)
    assert bench.gate.asked == []


def test_a_method_that_does_not_exist_stays_one():
    """No more is said of it."""
    bench = Bench()

    async def test(port):
        async with plain(port) as channel:
            call = channel.unary_unary("/millet.v1.AnalysisService/DeleteAll")
            assert await refused(call(b"")) == "UNIMPLEMENTED"

    bench.run(test)


@pytest.fixture
def authority(tmp_path):
    """A hospital's own authority."""
    return Authority(tmp_path / "hospital")


@pytest.fixture
def tls(authority):
    """The server's TLS."""
    pair = authority.issue("millet")
    files = Files(certificate=pair.certificate, key=pair.key, roots=authority.roots)
    return ServerTls(files, require=False, told=print)


def test_a_certificate_names_its_holder(authority, tls):
    """With client certificates the common name is enough, and a known one without a role is nobody."""
    bench = Bench(tls, require=True)

    async def test(port):
        async with secured(port, authority, authority.issue("console")) as channel:
            assert (await AnalysisServiceStub(channel).GetAnalysis(GET)).total_nodules == 2
        async with secured(port, authority, authority.issue("somebody")) as channel:
            assert await refused(AnalysisServiceStub(channel).GetAnalysis(GET)) == "UNAUTHENTICATED"

    bench.run(test)
    assert [who for who, _, _ in bench.gate.given] == ["admin"]
    shown = bench.gate.asked[0].shown.certificate
    assert shown.sha256 == authority_sha256(authority, "console")


def authority_sha256(authority: Authority, name: str) -> str:
    """The fingerprint of the certificate that lies in the authority's folder."""
    import hashlib

    pem = (authority.folder / f"{name}.pem").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_without_a_certificate_or_with_a_foreign_one_there_is_no_channel(authority, tls, tmp_path):
    """The handshake fails where certificates are asked for."""
    bench = Bench(tls, require=True)
    foreign = Authority(tmp_path / "other").issue("console")

    async def test(port):
        for pair in (None, foreign):
            async with secured(port, authority, pair) as channel:
                call = AnalysisServiceStub(channel).GetAnalysis(GET, metadata=bearer("viewer-token"))
                assert await refused(call) == "UNAVAILABLE"
        async with plain(port) as channel:
            assert await refused(AnalysisServiceStub(channel).GetAnalysis(GET)) == "UNAVAILABLE"

    bench.run(test)
    assert bench.gate.asked == []


def test_a_token_over_tls_needs_no_certificate_where_none_is_asked_for(authority, tls):
    """The usual way for a client: TLS, and a token."""
    bench = Bench(tls)

    async def test(port):
        async with secured(port, authority) as channel:
            got = await AnalysisServiceStub(channel).GetAnalysis(GET, metadata=bearer("ops-token"))
            assert got.total_nodules == 2

    bench.run(test)


def test_a_renewed_certificate_is_shown_to_the_next_channel(authority, tls):
    """Without a restart; a channel that is open goes on."""
    bench = Bench(tls)

    def subject(port: int) -> str:
        context = ssl.create_default_context(cafile=authority.roots)
        context.set_alpn_protocols(["h2"])
        import socket

        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as line,
            context.wrap_socket(line, server_hostname="127.0.0.1") as connection,
        ):
            return dict(pair for part in connection.getpeercert()["subject"] for pair in part)["commonName"]

    async def test(port):
        async with secured(port, authority) as channel:
            stub = AnalysisServiceStub(channel)
            await stub.GetAnalysis(GET, metadata=bearer("viewer-token"))
            assert await asyncio.to_thread(subject, port) == "millet"
            authority.issue("renewed", at="millet")
            assert await asyncio.to_thread(subject, port) == "renewed"
            await stub.GetAnalysis(GET, metadata=bearer("viewer-token"))
        async with secured(port, authority) as channel:
            await AnalysisServiceStub(channel).GetAnalysis(GET, metadata=bearer("viewer-token"))

    bench.run(test)
