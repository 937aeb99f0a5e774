"""The gRPC server: starts, watches the journal for its watchers, tells its health, stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import NamedTuple, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from millet.core.criteria import CriteriaSet
from millet.edge.grpc_api.connect import Connect
from millet.edge.grpc_api.criteria import CriteriaService
from millet.edge.grpc_api.gate import GateInterceptor
from millet.edge.grpc_api.malformed import MalformedInterceptor
from millet.edge.grpc_api.picture_service import PictureService
from millet.edge.grpc_api.picturing import Kept, Picturing
from millet.edge.grpc_api.reading import Reading
from millet.edge.grpc_api.recent import Recent
from millet.edge.grpc_api.registered import Registered
from millet.edge.grpc_api.requests import RequestInterceptor
from millet.edge.grpc_api.saying import Saying
from millet.edge.grpc_api.service import AnalysisService
from millet.edge.grpc_api.submission import Inward, SubmissionService
from millet.edge.grpc_api.watching import Watching
from millet.edge.telemetry import Telemetry
from millet.ports import Gate, ReaderLog, SliceLog, Worklist
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc
from millet.proto.millet.v1 import (
    picture_service_pb2,
    picture_service_pb2_grpc,
    submission_service_pb2,
    submission_service_pb2_grpc,
)

log = logging.getLogger(__name__)

SERVICE, CRITERIA = (
    pb.DESCRIPTOR.services_by_name[name].full_name for name in ("AnalysisService", "CriteriaService")
)
SUBMISSION = submission_service_pb2.DESCRIPTOR.services_by_name["SubmissionService"].full_name
PICTURES = picture_service_pb2.DESCRIPTOR.services_by_name["PictureService"].full_name
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
HEALTH_S = 0.5
"""How often it is asked whether all is ready."""
MOST_CALLS = 2000
"""At once; who comes then is told to come later (RESOURCE_EXHAUSTED)."""
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)
"""A watcher whose machine is gone is noticed by pings; one that pings itself may do so every ten seconds."""


class Offered(NamedTuple):
    """Everything that is served; each method stands in the table of roles."""

    analysis: rpc.AnalysisServiceServicer
    criteria: rpc.CriteriaServiceServicer
    submission: submission_service_pb2_grpc.SubmissionServiceServicer
    pictures: picture_service_pb2_grpc.PictureServiceServicer
    health: health.HealthServicer

    def to(self, server: grpc.aio.Server) -> None:
        """Register it."""
        rpc.add_AnalysisServiceServicer_to_server(self.analysis, server)
        rpc.add_CriteriaServiceServicer_to_server(self.criteria, server)
        submission_service_pb2_grpc.add_SubmissionServiceServicer_to_server(self.submission, server)
        picture_service_pb2_grpc.add_PictureServiceServicer_to_server(self.pictures, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        names = (SERVICE, CRITERIA, SUBMISSION, PICTURES, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcSources:
    """What is served. What may block is called in threads."""

    worklist: Worklist
    readers: ReaderLog
    ready: Callable[[], Mapping[str, str]]
    """Each part of the service and why it is not ready, empty where it is; may block."""
    telemetry: Telemetry
    """Counts calls and watchers."""
    utc: Callable[[], datetime]
    criteria: Sequence[CriteriaSet] = ()
    """A site's own sets, beside ours."""
    inward: Inward = field(default_factory=Inward)
    """How series come in."""
    slices: SliceLog | None = None
    """Which instances are behind an analysis; None shows none of them."""
    read: Callable[[str], bytes] = lambda _path: b""
    """The bytes of one of them, from the spool; may block."""


class GrpcServer:
    """One server on one event loop.

    Args:
        sources: what is served.
        gate: who may call; None for everybody.
        credentials: TLS; None for none.
        poll_s: how often the journal is looked at for commits that nobody announced with `wake`: those of
            other processes. The look costs one row.
    """

    def __init__(
        self,
        sources: GrpcSources,
        *,
        gate: Gate | None = None,
        credentials: grpc.ServerCredentials | None = None,
        poll_s: float = 0.1,
    ) -> None:
        self._ready = sources.ready
        telling = RequestInterceptor(sources.telemetry)
        gates = [GateInterceptor(gate)] if gate else []
        self._interceptors = [telling, MalformedInterceptor(), *gates]
        self._credentials = credentials
        self._poll_s = poll_s
        worklist, readers = sources.worklist, sources.readers
        self._recent, reading = Recent(worklist), Reading(worklist, readers)
        self._watching = Watching(worklist, reading, self._recent)
        saying = Saying(reading, readers, sources.utc)
        kept = Kept(worklist, sources.slices, sources.read)
        self._submission = SubmissionService(sources.inward, sources.telemetry)
        self._health = health.HealthServicer()
        self._offered = Offered(
            analysis=AnalysisService(reading, self._watching, saying, sources.telemetry),
            criteria=CriteriaService(sources.criteria, sources.telemetry),
            submission=self._submission,
            pictures=PictureService(Picturing(reading, kept), sources.telemetry),
            health=self._health,
        )
        registered = Registered(self._interceptors)
        self._offered.to(cast("grpc.aio.Server", registered))
        self.calls = Connect(registered, most_calls=MOST_CALLS)
        """The same calls for browsers, to be served over HTTP on the event loop of this server."""
        self._healthy_s = -HEALTH_S
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: grpc.aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port (a free one for 0); raises OSError where it is taken."""
        self._loop = asyncio.get_running_loop()
        server = grpc.aio.server(
            interceptors=self._interceptors, options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS
        )
        self._offered.to(server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._credentials is None:
                bound = server.add_insecure_port(address)
            else:
                bound = server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            await server.stop(None)
            raise OSError(f"gRPC cannot listen on {host}:{port}") from error
        await self._set_health(NOT_SERVING)
        await server.start()
        self._server = server
        self._watch = asyncio.create_task(self._follow())
        return bound

    def wake(self) -> None:
        """Something was committed; callable from any thread, at any time."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def stop(self, grace_s: float) -> None:
        """Tell health, end the watchers, let other calls finish for `grace_s` seconds."""
        if not self._server or not self._watch:
            return
        self._watching.stopping = True
        self._submission.stop()
        self._woken.set()
        await self._watch  # asked, not cancelled: `wait_for` of Python 3.11 can swallow a cancellation
        await self._health.enter_graceful_shutdown()
        self._recent.bell.ring()
        await self._server.stop(grace_s)
        self._server = None

    async def _follow(self) -> None:
        while not self._watching.stopping:
            try:
                await self._step()
            except Exception:
                log.exception("the journal or the readiness could not be looked at")
                await self._set_health(NOT_SERVING)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll_s)
            self._woken.clear()

    async def _step(self) -> None:
        """Look once at the health and for changes."""
        await self._recent.look()
        if (now_s := monotonic()) - self._healthy_s >= min(HEALTH_S, self._poll_s * 5):
            await self._tell_health()
            self._healthy_s = now_s

    async def _tell_health(self) -> None:
        reasons = await asyncio.to_thread(self._ready)
        await self._set_health(NOT_SERVING if any(reasons.values()) else SERVING)

    async def _set_health(self, answer: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", SERVICE, CRITERIA, SUBMISSION, PICTURES):
            await self._health.set(name, answer)
