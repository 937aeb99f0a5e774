"""Bare grpcio that takes the same messages: it drops them, or writes each to the disk before it answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from millet.proto.millet.v1 import submission_service_pb2 as pb
from millet.proto.millet.v1 import submission_service_pb2_grpc as rpc


class Dropping(rpc.SubmissionServiceServicer):
    """Answers each message, and keeps none."""

    async def SubmitInstances(  # noqa: N802 - the rpc's name
        self,
        request_iterator: AsyncIterator[pb.SubmitInstancesRequest],
        context: Any,  # noqa: ARG002 - gRPC's
    ) -> AsyncIterator[pb.SubmitInstancesResponse]:
        """One answer to each."""
        number = 0
        async for request in request_iterator:
            await self.keep(request.data)
            number += 1
            yield pb.SubmitInstancesResponse(number=number, accepted=True)

    async def keep(self, data: bytes) -> None:
        """Nothing is kept."""


class Writing(Dropping):
    """Appends each to a file, and flushes it, as plainly as that can be done."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    async def keep(self, data: bytes) -> None:
        """Durable when it returns."""
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        os.write(self._file, data)
        os.fdatasync(self._file)


async def serve(kind: str, folder: Path) -> None:
    """One of both, until this process is ended."""
    server = grpc.aio.server()
    servicer = Dropping() if kind == "dropping" else Writing(folder / "written")
    rpc.add_SubmissionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()
