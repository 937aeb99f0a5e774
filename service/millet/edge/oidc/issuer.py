"""An OpenID Connect issuer: who it is, what it publishes of itself, and how it is asked."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote_plus, urlencode

import jwt

TIMEOUT_S = 5.0
MOST_BYTES = 1 << 20
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues tokens, and what we take of them."""

    issuer: str
    audience: str
    keys: str = ""
    """File or address of the JWKS; empty asks the issuer (OpenID Connect Discovery 4)."""
    role_claim: str = "roles"
    client_id: str = ""
    """Ours at the issuer, where it signs people in; its ID tokens are for this audience (OIDC Core 2)."""
    client_secret: str = field(default="", repr=False)
    """Empty for a public client, which PKCE protects alone."""

    @property
    def audiences(self) -> list[str]:
        """For whom tokens may be."""
        return [self.audience, self.client_id] if self.client_id else [self.audience]


class Line:
    """Asks an issuer, over https:// alone, for nothing of any length. Thread-safe; blocks.

    Args:
        issuer: whom.
        context: how its address is verified.
    """

    def __init__(self, issuer: Issuer, context: ssl.SSLContext) -> None:
        self._issuer = issuer
        self._context = context

    def keys(self) -> str:
        """Its JWKS, from where the issuer or the configuration says. Raises OSError, ValueError."""
        address = self._issuer.keys or self.endpoint("jwks_uri")
        return self._asked(address) if "://" in address else Path(address).read_text("utf-8")

    def endpoint(self, name: str) -> str:
        """An address that it publishes (OpenID Connect Discovery 3, 4). Raises OSError, ValueError."""
        base = self._issuer.issuer.rstrip("/")
        found = json.loads(self._asked(f"{base}/.well-known/openid-configuration"))
        if not isinstance(found, dict) or found.get("issuer") != self._issuer.issuer:
            raise ValueError("what answers at the issuer's address is another issuer")
        if not str(found.get(name)).startswith("https://"):
            raise ValueError(f"the issuer does not say where its {name} is")
        return str(found[name])

    def token(self, form: Mapping[str, str]) -> str:
        """The ID token for a code (OIDC Core 3.1.3). Raises OSError, ValueError."""
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._issuer.client_secret:  # RFC 6749 2.3.1: each encoded as in a form
            pair = f"{quote_plus(self._issuer.client_id)}:{quote_plus(self._issuer.client_secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        asked = json.loads(self._asked(self.endpoint("token_endpoint"), urlencode(form).encode(), headers))
        token = asked.get("id_token", "") if isinstance(asked, dict) else ""
        if not token:
            raise ValueError("the issuer gave no ID token for its code")
        return str(token)

    def _asked(self, address: str, body: bytes | None = None, headers: Mapping[str, str] = NOTHING) -> str:
        if not address.startswith("https://"):
            raise ValueError("an issuer is asked over https:// only")
        request = urllib.request.Request(address, body, dict(headers))  # noqa: S310 - https only, just checked
        secured = urllib.request.HTTPSHandler(context=self._context)
        opener = urllib.request.build_opener(secured, *([_Nowhere] if body else []))
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(MOST_BYTES + 1)
                leads_away = not answer.geturl().startswith("https://")
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ValueError(f"the issuer answers {refusal.code}") from refusal
        if len(content) > MOST_BYTES or leads_away:
            raise ValueError("the issuer's answer is too long, or leads elsewhere")
        return content.decode("utf-8")


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """What holds a secret is sent where it was meant to go, and nowhere else."""

    def redirect_request(self, *_args: object) -> None:
        """Follow none."""


def plain(error: Exception) -> str:
    """Why, without anything that a sender wrote into the token."""
    if isinstance(error, urllib.error.URLError):
        return "the issuer does not answer"
    return type(error).__name__ if isinstance(error, jwt.PyJWTError) else str(error)
