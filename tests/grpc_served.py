"""A gRPC server on loopback that tests of its clients take away and bring back."""

from __future__ import annotations

import asyncio
import threading

from analyses import analysis
from instances import START_UTC
from ports import free_port
from prometheus_client import CollectorRegistry
from readers import MemoryReaders
from worklists import MemoryWorklist, status

from millet.core.analysis import TriageLevel
from millet.edge.grpc_api import GrpcServer, GrpcSources, credentials
from millet.edge.telemetry import Telemetry
from millet.errors import StoreError
from millet_client import Client


class Forgetful(MemoryReaders):
    """Keeps what is said, and then does not answer: as many times as it is told."""

    silences = 0

    def acknowledge(self, about, said):
        """See the port."""
        taken = super().acknowledge(about, said)
        if self.silences:
            self.silences -= 1
            raise StoreError("gone")
        return taken


class Service:
    """A gRPC server on one port, which may be away for a while."""

    def __init__(self, gate=None, tls=None, **facts: object) -> None:
        self.worklist, self.readers = MemoryWorklist(), Forgetful()
        line = self.worklist.put(status(1, analysed_generation=1), analysis(3))
        self.readers.levels[line.key] = (1, TriageLevel.NOTABLE)
        self.gate, self.tls, self.facts, self.port = gate, tls, facts, free_port()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.open()

    def open(self) -> None:
        """Listen, on the same port each time."""
        sources = GrpcSources(
            worklist=self.worklist,
            readers=self.readers,
            ready=dict,
            telemetry=Telemetry(CollectorRegistry(), "0.1.0"),
            utc=lambda: START_UTC,
            **self.facts,
        )
        secured = None if self.tls is None else credentials(self.tls.pems, require=False)
        self.server = GrpcServer(sources, gate=self.gate, credentials=secured, poll_s=0.02)
        self.port = self.wait(self.server.start("127.0.0.1", self.port))

    def close(self) -> None:
        """Be away."""
        self.wait(self.server.stop(0))

    def wait(self, coroutine):
        """Run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def change(self, number: int, **facts) -> None:
        """Commit a change of a series."""
        line = next(
            one for one in self.worklist.statuses.values() if one.key.series_uid.endswith(f".{number}")
        )
        self.worklist.change(line, **facts)
        self.server.wake()

    def stop(self) -> None:
        """End it."""
        self.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def client(self, **options) -> Client:
        """A client of it, in the clear."""
        return Client(f"127.0.0.1:{self.port}", **{"tls": None, "timeout_s": 60.0, **options})
