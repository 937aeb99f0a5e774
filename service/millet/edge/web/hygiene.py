"""What every HTTP answer and request must satisfy, whoever asks: headers, host, origin, size."""

from __future__ import annotations

import logging
from collections.abc import Collection
from time import perf_counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millet.core.roles import ROUTES, Open, route_of
from millet.edge.telemetry.requests import HEADER, REQUEST, named

log = logging.getLogger(__name__)

HEADERS = {
    b"content-security-policy": b"default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",  # without any, a browser says "null" where our own form comes from
    b"cache-control": b"no-store",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
OVER_TLS = {b"strict-transport-security": b"max-age=31536000"}
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
MOST_BODY_BYTES = 65_536
"""Of a request; nothing that is asked of the page is longer."""
OWN_LIMITS = ("/studies",)
"""First parts of paths whose handlers bound what they read: whole studies come there."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SecurityHeaders:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with headers."""
        added = HEADERS | (OVER_TLS if scope.get("scheme") == "https" else {})

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added.items()]
            await send(message)

        await self._app(scope, receive, sending)


class RequestName:
    """Names each request: in its answer, and in every line of the log that is written for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a name; the path is not told, for a series may be in it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began_s = named(Headers(scope=scope).get(HEADER, "")), perf_counter()
        REQUEST.set(request_id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER.encode(), request_id.encode())]
                facts = {"route": route_of(scope["path"]), "status": message["status"]}
                log.debug("answered", extra={**facts, "duration_s": round(perf_counter() - began_s, 3)})
            await send(message)

        await self._app(scope, receive, sending)


class HostCheck:
    """Answers only who addresses us by a name of ours: a foreign page cannot point its own name here.

    Args:
        app: what comes next.
        hosts: names and addresses without port; none for any. Probes, which have no name, always pass.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or 421."""
        host = _host(Headers(scope=scope).get("host", ""))
        if not self._hosts or host in self._hosts or ROUTES.get(route_of(scope["path"])) is Open.TO_ALL:
            await self._app(scope, receive, send)
        else:
            words = "There is nothing under this name (web_hosts)."
            await PlainTextResponse(words, 421)(scope, receive, send)


class SameSite:
    """Refuses what changes something when another site's page sends it (Fetch Metadata, Origin)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or 403."""
        if scope["method"] in SAFE_METHODS or is_own(Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("Another site may not send this.", 403)(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are too long, by what they say and by what they are.

    Args:
        app: what comes next.
        most_bytes: of a body.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or 413; what gets longer while it is read ends as if the client had gone."""
        if scope["path"].startswith(OWN_LIMITS):
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isascii() or not said.isdigit() or int(said[:20]) > self._most_bytes:
            await PlainTextResponse("That is too long.", 413)(scope, receive, send)
            return
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message if read <= self._most_bytes else {"type": "http.disconnect"}

        await self._app(scope, receiving, send)


def _host(header: str) -> str:
    """The name in a Host header, without its port, in lower case; empty for what is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def is_own(headers: Headers) -> bool:
    """Whether a request comes from a page of ours, or from no page."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or _address(origin) == headers.get("host", "").lower()


def _address(origin: str) -> str:
    """Host and port of an Origin header, in lower case; empty for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
