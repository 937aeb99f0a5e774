"""The gate before the page: who asks is recognised by token, cookie or certificate, and judged by role."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millet.core.roles import ROUTES, Open, Verdict, route_of, series_in
from millet.edge.web.cookie import token_of
from millet.ports import Ask, Gate, Shown

CERTIFICATE = "certificate"
"""Where the server puts the client's certificate into a connection's state."""
WHO = "who"
"""Where the gate puts whom it recognised into a request's state."""


METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
"""Those that are told; any other word may be the caller's own."""

BY_COOKIE = "by-cookie"
"""Whether a browser's cookie said who it is; who came otherwise cannot sign out here."""


class GateKeeper:
    """Asks the gate before each request, and tells it what was given out.

    Args:
        app: what comes next.
        gate: who may.
        unknown: answers whom nobody knows.
    """

    def __init__(self, app: ASGIApp, gate: Gate, unknown: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._gate = gate
        self._unknown = unknown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or 401 or 403."""
        route = route_of(scope["path"])
        needed = ROUTES.get(route)
        if needed is Open.TO_ALL:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "another method"
        what = f"{method} {route or 'a path that is none'}"
        asked = Ask(door="http", what=what, needed=needed, shown=shown(scope))
        verdict, who = await asyncio.to_thread(self._gate.ask, asked)
        if verdict is Verdict.UNKNOWN:
            answer = await self._unknown(Request(scope))
            await answer(scope, receive, send)
        elif verdict is Verdict.DENIED:
            await PlainTextResponse("Your role may not ask for this.", 403)(scope, receive, send)
        else:
            scope = {**scope, "state": {**scope.get("state", {}), WHO: who, BY_COOKIE: _by_cookie(scope)}}

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] < 400:
                    self._gate.served(asked, who, series_in(scope["path"]))
                await send(message)

            await self._app(scope, receive, sending)


def _cookie(scope: Scope) -> str:
    return token_of(Headers(scope=scope).get("cookie", ""), scope["scheme"])


def _by_cookie(scope: Scope) -> bool:
    return "authorization" not in Headers(scope=scope) and bool(_cookie(scope))


def shown(scope: Scope) -> Shown:
    """What a caller shows."""
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return Shown(
        address=(scope.get("client") or ("",))[0],
        token=token.strip() if scheme.lower() == "bearer" else _cookie(scope),
        certificate=scope.get("state", {}).get(CERTIFICATE),
    )
