"""uvicorn as a component that is started and stopped, and leaves the process's signals alone."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from millet.core.doors import Certificate
from millet.edge.web.application import application, watching
from millet.edge.web.feed import Feed
from millet.edge.web.gate import CERTIFICATE
from millet.edge.web.sources import Sources
from millet.ports import Gate, SignsIn

GRACE_S = 3
"""How long a stop waits for answers that are being sent."""
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}
"""Seconds of silence, seconds between two questions, questions without an answer. Connections inherit it."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process that runs several servers."""
        yield


class _Protocol(H11Protocol):
    """HTTP/1.1 whose requests know the certificate that their connection showed."""

    certificate_of: Callable[[ssl.SSLObject], Certificate | None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if (secured := transport.get_extra_info("ssl_object")) is not None:
            self.app_state = {**self.app_state, CERTIFICATE: self.certificate_of(secured)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDoor:
    """Who may come in, and how what is said stays between both ends."""

    gate: Gate | None = None
    issuer: SignsIn | None = None
    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    """Of other sites, whose pages may make calls."""
    proxies: Collection[str] = ()
    """Addresses and networks whose X-Forwarded-For and -Proto are believed."""
    tls: ssl.SSLContext | None = None
    """One that gives each connection the newest certificate."""
    certificate_of: Callable[[ssl.SSLObject], Certificate | None] = lambda _connection: None


class _Serving:
    """An application on one port, on the caller's event loop."""

    def __init__(self, served: Starlette, door: WebDoor) -> None:
        self._served = served
        self._door = door
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port (a free one for 0); raises OSError where it is taken."""
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        _keep_alive(listener)
        door = self._door
        protocol = type("Protocol", (_Protocol,), {"certificate_of": staticmethod(door.certificate_of)})
        tls = door.tls
        config = uvicorn.Config(
            self._served,
            http=protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(door.proxies),
            forwarded_allow_ips=list(door.proxies),
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
            ssl_context_factory=None if tls is None else lambda _config, _usual: tls,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Accept no more, let answers finish for `GRACE_S` seconds."""
        if self._server and self._task:
            self._server.should_exit = True
            await self._task


def _keep_alive(listener: socket.socket) -> None:
    """Have the kernel ask after callers that are silent, so that streams to machines that are gone end."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE.items():
        if hasattr(socket, option):  # they have other names elsewhere than on Linux
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class WebServer(_Serving):
    """The page, `/metrics` and the probes."""

    def __init__(self, sources: Sources, door: WebDoor = WebDoor()) -> None:
        self._feed = Feed(sources)
        served = application(
            sources,
            self._feed,
            gate=door.gate,
            issuer=door.issuer,
            hosts=door.hosts,
            origins=door.origins,
        )
        super().__init__(served, door)
        self.sources = sources

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port (a free one for 0); raises OSError where it is taken."""
        bound = await super().start(host, port)
        await self._feed.start()
        return bound

    def wake(self) -> None:
        """Something was committed; callable from any thread, at any time."""
        self._feed.wake()

    async def stop(self) -> None:
        """Accept no more, end the streams, let other answers finish for `GRACE_S` seconds."""
        await self._feed.stop()
        await super().stop()


class WatchServer(_Serving):
    """`/metrics` and the probes alone, in the clear."""

    def __init__(self, ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> None:
        super().__init__(watching(ready, metrics), WebDoor())
