"""Signing people in at an issuer: the authorization code flow with PKCE (OIDC Core 3.1, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode

from millet.edge.oidc.issuer import Issuer, Line, plain
from millet.edge.oidc.tokens import AGAIN_S, KEEP_S, Oidc
from millet.ports import Begun

log = logging.getLogger(__name__)


class Code:
    """A `ports.SignsIn`.

    Args:
        issuer: where we are a client.
        tokens: judges what it gives.
        context: how its address is verified.
        monotonic_s: seconds, for how long its page's address is kept.
    """

    def __init__(
        self,
        issuer: Issuer,
        tokens: Oidc,
        context: ssl.SSLContext,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._tokens = tokens
        self._line = Line(issuer, context)
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._page, self._due_s = "", monotonic_s()

    def begin(self, redirect_uri: str) -> Begun | None:
        """See `ports.SignsIn`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._issuer.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        if not (page := self._issuer_s_page()):
            return None
        address = f"{page}{'&' if '?' in page else '?'}{urlencode(asked)}"
        return Begun(address=address, state=state, nonce=nonce, verifier=verifier)

    def end(self, begun: Begun, code: str, redirect_uri: str) -> str:
        """See `ports.SignsIn`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._issuer.client_id,
            "code_verifier": begun.verifier,
        }
        try:
            token = self._line.token(form)
        except (OSError, ValueError) as error:
            log.warning("the issuer gave no token for its code", extra={"why": plain(error)})
            return ""
        return token if self._tokens.who(token, begun.nonce) else ""

    def _issuer_s_page(self) -> str:
        """Where people sign in, empty for not known; the issuer is not asked as often as we are."""
        with self._lock:
            now_s = self._monotonic_s()
            if now_s >= self._due_s:
                self._due_s = now_s + AGAIN_S
                try:
                    self._page = self._line.endpoint("authorization_endpoint")
                    self._due_s = now_s + KEEP_S
                except (OSError, ValueError) as error:
                    log.warning("nobody can sign in at the issuer", extra={"why": plain(error)})
            return self._page
