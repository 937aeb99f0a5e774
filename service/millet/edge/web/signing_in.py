"""Signing in with a browser: a token once, then a cookie that holds it, and back to where one was.

Who asks for a page and is not recognised gets the form as the answer itself (401), so that an address means
the same before and after. Who follows a link of another site comes without the cookie: that answer has the
browser ask again, as by a link of our own, and only then is a token asked for.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from millet.core.attempts import Attempts
from millet.core.roles import Role, Verdict
from millet.edge.web import cookie
from millet.edge.web.acknowledging import local
from millet.edge.web.pages import Pages
from millet.ports import Ask, Gate, Shown

CHALLENGE = {"www-authenticate": "Bearer"}
SIGN_IN, SIGN_OUT = "/signin", "/signout"


class _Said(NamedTuple):
    token: str
    back: str

    @classmethod
    def read(cls, body: bytes) -> _Said:
        """From an HTML form's body. Raises ValueError."""
        given = dict(parse_qsl(body.decode("ascii"), max_num_fields=10, errors="strict"))
        return cls(given.get("token", "").strip(), local(given.get("back", "")))


class SigningIn:
    """The form, and what becomes of it.

    Args:
        pages: how it looks.
        gate: who recognises a token; None recognises nobody, and lets everybody in.
        has_issuer: whether people may sign in at an issuer instead.
        monotonic_s: seconds, for how long failures count.
    """

    def __init__(
        self,
        pages: Pages,
        gate: Gate | None,
        *,
        has_issuer: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pages = pages
        self._gate = gate
        self._has_issuer = has_issuer
        self._monotonic_s = monotonic_s
        self._attempts = Attempts()

    async def form(self, request: Request) -> Response:
        """The form by its own address."""
        return self.asked(request, local(request.query_params.get("back", "")), 200)

    async def unknown(self, request: Request) -> Response:
        """The answer to who is not recognised: a form for people, a line for programs."""
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("Show a bearer token or a certificate.", 401, CHALLENGE)
        query = request.url.query if request.method == "GET" else ""
        path = quote(request.url.path, safe="/%")
        from_elsewhere = request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site"
        return self.asked(request, local(f"{path}?{query}" if query else path), 401, again=from_elsewhere)

    async def take(self, request: Request) -> Response:
        """A token that a person gives: into the cookie if the gate knows it."""
        try:
            said = _Said.read(await request.body())
        except ValueError:
            return PlainTextResponse("This is no form of a sign-in.", 400)
        if waits := self.told_to_wait(request, said.back):
            return waits
        if len(said.token) > cookie.LONGEST_TOKEN:
            return self.asked(request, said.back, 401, "long")
        if not await is_known(self._gate, said.token, address_of(request), f"POST {SIGN_IN}"):
            self.failed(request)
            return self.asked(request, said.back, 401, "unknown")
        answer = RedirectResponse(said.back, 303)
        cookie.keep(answer, said.token, request.url.scheme)
        return answer

    async def leave(self, request: Request) -> Response:
        """Sign out: the cookie is forgotten."""
        answer = RedirectResponse(SIGN_IN, 303)
        cookie.keep(answer, "", request.url.scheme)
        return answer

    def told_to_wait(self, request: Request, back: str) -> Response | None:
        """The form with how long to wait, for an address that failed too often; None for any other."""
        wait_s = self._attempts.wait_s(address_of(request), self._monotonic_s())
        if not wait_s:
            return None
        answer = self.asked(request, back, 429, "wait")
        answer.headers["retry-after"] = str(math.ceil(wait_s))
        return answer

    def failed(self, request: Request) -> None:
        """An address showed what nobody knows."""
        self._attempts.failed(address_of(request), self._monotonic_s())

    def asked(
        self, request: Request, back: str, status_code: int, said: str = "", *, again: bool = False
    ) -> Response:
        """The form, with what is to be said."""
        back = "/" if back.startswith((SIGN_IN, SIGN_OUT)) else back
        facts = {"back": back, "said": said, "again": again, "has_issuer": self._has_issuer}
        answer = self._pages.page(request, "signin.html", status_code, **facts)
        if status_code == 401:
            answer.headers.update(CHALLENGE)
        return answer


def address_of(request: Request) -> str:
    """Where a request comes from; empty for not known."""
    return request.client.host if request.client else ""


async def is_known(gate: Gate | None, token: str, address: str, what: str) -> bool:
    """Whether a token opens anything; who it was is recorded."""
    if gate is None:
        return True
    asked = Ask(door="http", what=what, needed=Role.VIEWER, shown=Shown(address=address, token=token))
    judged, who = await asyncio.to_thread(gate.ask, asked)
    if judged is not Verdict.ALLOWED:
        return False
    gate.served(asked, who, "")
    return True
