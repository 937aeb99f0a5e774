"""Signing in at an issuer's own page: there with a browser, and back with a code for a token.

What was begun is held by the browser, so that any machine may end it, and only the browser that began can.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from millet.edge.web import cookie
from millet.edge.web.acknowledging import local
from millet.edge.web.pages import Pages
from millet.edge.web.signing_in import SigningIn, address_of, is_known
from millet.ports import Begun, Gate, SignsIn

BEGIN, END = "/signin/issuer", "/signin/back"
ASKED_AT_ONCE = 2
"""Threads that a slow issuer may hold: anybody may have it asked, and all else needs threads too."""


class Elsewhere:
    """The way there and the way back.

    Args:
        pages: how it looks.
        form: asks again where it came to nothing.
        gate: who recognises a token.
        issuer: who signs people in; None where nobody does.
    """

    def __init__(self, pages: Pages, form: SigningIn, gate: Gate | None, issuer: SignsIn | None) -> None:
        self._pages = pages
        self._form = form
        self._gate = gate
        self._issuer = issuer
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)

    async def begin(self, request: Request) -> Response:
        """Send a person to the issuer."""
        back = local(request.query_params.get("back", ""))
        if self._issuer is None:
            return await self._pages.not_found(request, None)
        async with self._asking:
            begun = await asyncio.to_thread(self._issuer.begin, _redirect_uri(request))
        if begun is None:
            return self._form.asked(request, back, 503, "away")
        answer = RedirectResponse(begun.address, 303)
        cookie.begin(answer, (begun.state, begun.nonce, begun.verifier, back), request.url.scheme)
        return answer

    async def end(self, request: Request) -> Response:
        """Take what the issuer answered, if this browser asked for it."""
        held = cookie.begun(request.headers.get("cookie", ""), request.url.scheme)
        if self._issuer is None or len(held) != 4:
            return self._form.asked(request, "/", 401, "issuer")
        state, nonce, verifier, back = held
        given = request.query_params
        if not hmac.compare_digest(state.encode(), given.get("state", "").encode()) or not given.get("code"):
            return self._form.asked(request, local(back), 401, "issuer")
        begun = Begun(address="", state=state, nonce=nonce, verifier=verifier)
        async with self._asking:  # in turn, so that who failed meanwhile has nobody asked any more
            answer = self._form.told_to_wait(request, local(back))
            if answer is None:
                token = await asyncio.to_thread(
                    self._issuer.end, begun, given["code"], _redirect_uri(request)
                )
                answer = await self._taken(request, token, local(back))
        cookie.begin(answer, (), request.url.scheme)
        return answer

    async def _taken(self, request: Request, token: str, back: str) -> Response:
        if len(token) > cookie.LONGEST_TOKEN:
            return self._form.asked(request, back, 401, "long")
        if not token or not await is_known(self._gate, token, address_of(request), f"GET {END}"):
            self._form.failed(request)
            return self._form.asked(request, back, 401, "issuer")
        # a page, for a redirection from another site would come without the cookie
        answer = self._pages.page(request, "signedin.html", back=back)
        cookie.keep(answer, token, request.url.scheme)
        return answer


def _redirect_uri(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{END}"
