"""uvicorn as a component that is started and stopped, and leaves the process's signals alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from millet.edge.web.application import Sources, application

GRACE_S = 3
"""How long a stop waits for answers that are being sent."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process that runs several servers."""
        yield


class WebServer:
    """The page, `/metrics` and the probes on one port, on the caller's event loop."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port (a free one for 0); raises OSError where it is taken."""
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        config = uvicorn.Config(
            application(self.sources),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Accept no more, let answers finish for `GRACE_S` seconds."""
        if self._server and self._task:
            self._server.should_exit = True
            await self._task
