"""A gRPC server for tests over what is in memory, and a channel to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from instances import START_UTC
from prometheus_client import CollectorRegistry
from readers import MemoryReaders
from worklists import MemoryWorklist

from millet.core.analysis import TriageLevel
from millet.core.criteria import CriteriaSet
from millet.core.readers import Acknowledgement, Person
from millet.edge.grpc_api import GrpcServer, GrpcSources
from millet.edge.telemetry import Telemetry
from millet.ports import Gate, SeriesKey
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub


class Bench:
    """A running server, its worklist and what readers said, and a channel to it."""

    def __init__(self, criteria: tuple[CriteriaSet, ...] = (), **facts: object) -> None:
        self.worklist, self.readers = MemoryWorklist(), MemoryReaders()
        self.reasons = {"journal": "", "model": ""}
        self.registry = CollectorRegistry()
        self.facts = {"criteria": criteria, **facts}
        self.key = SeriesKey(site="default", series_uid="1.2.826.0.1.1")
        self.behind(None)

    def behind(self, gate: Gate | None) -> None:
        """Have a gate before it."""
        sources = GrpcSources(
            worklist=self.worklist,
            readers=self.readers,
            ready=lambda: self.reasons,
            telemetry=Telemetry(self.registry if gate is None else CollectorRegistry(), "0.1.0"),
            utc=lambda: START_UTC,
            **self.facts,
        )
        self.server = GrpcServer(sources, gate=gate, poll_s=0.02)

    @asynccontextmanager
    async def running(self):
        """The stub of a channel; the server stops afterwards."""
        self.port = await self.server.start("127.0.0.1", 0)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as self.channel:
                yield AnalysisServiceStub(self.channel)
        finally:
            await self.server.stop(0)

    def run(self, test: Callable[[AnalysisServiceStub], Awaitable[None]]) -> None:
        """Run a test against the server."""

        async def whole() -> None:
            async with self.running() as stub:
                await asyncio.wait_for(test(stub), 60)

        asyncio.run(whole())

    def handled(self, method: str, code: str) -> float | None:
        """The counter of ended calls."""
        return self.registry.get_sample_value("millet_grpc_handled_total", {"method": method, "code": code})

    def said(self) -> list[Acknowledgement]:
        """All acknowledgements of the first series."""
        return list(self.readers.acknowledgements(self.key))

    @staticmethod
    def acknowledged(by: Person, level: TriageLevel) -> Acknowledgement:
        """An acknowledgement of a first generation."""
        return Acknowledgement(by=by, at_utc=START_UTC, generation=1, level=level)


async def refused(call: Awaitable[object]) -> tuple[str, str]:
    """The status of a call that fails, and its reason."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    told = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    reasons = [ErrorInfo.FromString(one.value) for one in told.details if one.Is(ErrorInfo.DESCRIPTOR)]
    return caught.value.code().name, reasons[0].reason
