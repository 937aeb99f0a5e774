"""Calls of the gRPC contract over HTTP: told from pages by their path, open to origins that are named.

A browser lets a page of another origin call only where the answer names that origin (WHATWG Fetch, CORS
protocol). Cookies have no part in it: who calls shows a token.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millet.core.roles import is_rpc
from millet.edge.web.gate import shown
from millet.edge.web.hygiene import is_own

ALLOWED = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "authorization, content-type, connect-protocol-version, "
    "connect-timeout-ms, grpc-timeout, x-grpc-web, x-user-agent, x-request-id",
    "access-control-max-age": "7200",
}


class Calls:
    """Hands calls to who answers them; what is none goes on.

    Args:
        app: what comes next.
        answer: who answers calls.
        origins: of other sites, whose pages may call; by default none may.
    """

    def __init__(self, app: ASGIApp, answer: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._answer = answer
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or 403, or pass on."""
        if scope["type"] != "http" or not is_rpc(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if is_own(headers):
            await self._call(scope, receive, send)
        elif origin.lower() not in self._origins:
            words = "Pages of another site may not call this (web_origins)."
            await PlainTextResponse(words, 403)(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(None, 204, ALLOWED)(scope, receive, _allowing(origin, send))
        else:
            await self._call(scope, receive, _allowing(origin, send))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = {**scope.get("state", {}), "shown": shown(scope)}
        await self._answer({**scope, "state": state}, receive, send)


def _allowing(origin: str, send: Send) -> Send:
    """Have an answer name the origin whose page may read it."""
    added = {
        b"access-control-allow-origin": origin.encode("latin-1"),
        b"access-control-expose-headers": b"x-request-id",
        b"vary": b"origin",
    }

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added.items()]
        await send(message)

    return sending
