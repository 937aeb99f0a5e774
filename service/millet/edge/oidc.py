"""Tokens of an OpenID Connect issuer: signature, issuer, audience and times, and the role in a claim.

Only signatures with asymmetric keys are taken (RFC 8725 3.1): neither none nor HMAC, for which a public key
would be the secret. Roles carry our prefix, since an `admin` of another application is none of ours.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from millet.core.roles import Role, Who

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ROLE_PREFIX = "millet-"
LEEWAY_S = 30.0
"""Clocks of hospitals are not all alike."""
KEEP_S = 600.0
"""How long keys are used before they are asked for anew."""
AGAIN_S = 30.0
"""Soonest repeat after a failure, or for a key that is not there: forged tokens make no flood of requests."""
TIMEOUT_S = 5.0
MOST_BYTES = 1 << 20
LONGEST_TOKEN = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues tokens, and what we take of them."""

    issuer: str
    audience: str
    keys: str = ""
    """File or address of the JWKS; empty asks the issuer (OpenID Connect Discovery 4)."""
    role_claim: str = "roles"


class Oidc:
    """Recognises tokens of one issuer; keeps its keys. Thread-safe; blocks where keys are fetched.

    Args:
        issuer: whose tokens.
        context: how its address is verified.
        monotonic_s: seconds, for how long keys are kept.
    """

    def __init__(
        self, issuer: Issuer, context: ssl.SSLContext, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._context = context
        self._monotonic_s = monotonic_s
        self._lock, self._fetching = threading.Lock(), threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fresh_until_s = self._not_before_s = monotonic_s()

    def who(self, token: str) -> Who | None:
        """Whose token it is; None, with the reason in the log, where it is not to be trusted."""
        try:
            claims = self._claims(token)
            role = _role(claims, self._issuer.role_claim)
        except (jwt.PyJWTError, ValueError) as error:
            log.warning("a token of OpenID Connect is not taken", extra={"why": _plain(error)})
            return None
        return Who(name=str(claims["sub"]), role=role)

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise ValueError("it is too long")
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise ValueError("its algorithm is none of those that are taken")
        key = self._key(str(header.get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm for algorithm in ALGORITHMS if algorithm == header["alg"]],
            audience=self._issuer.audience,
            issuer=self._issuer.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        now_s = self._monotonic_s()
        if self._is_due(kid, now_s):
            with self._fetching:
                self._fetch(now_s)
        elif not self._keys:
            with self._fetching:  # the first fetch is under way
                pass
        if (found := self._keys.get(kid)) is None:
            raise ValueError("it is signed with a key that its issuer does not have")
        return found

    def _is_due(self, kid: str, now_s: float) -> bool:
        """Whether this caller is to fetch the keys; while it does, others go on with what there is."""
        with self._lock:
            wanted = kid not in self._keys or now_s >= self._fresh_until_s
            if not wanted or now_s < self._not_before_s:
                return False
            self._not_before_s = now_s + AGAIN_S
            return True

    def _fetch(self, now_s: float) -> None:
        """Take the newest keys; the old ones stay where the issuer does not answer."""
        try:
            keys = jwt.PyJWKSet.from_json(self._text(self._address())).keys
        except (
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            jwt.PyJWTError,
        ) as error:  # whatever it answered
            log.warning("keys of the issuer cannot be had", extra={"why": _plain(error)})
            return
        self._keys = {one.key_id or "": one for one in keys if one.key_type != "oct"}
        self._fresh_until_s = now_s + KEEP_S

    def _address(self) -> str:
        if self._issuer.keys:
            return self._issuer.keys
        base = self._issuer.issuer.rstrip("/")
        found = json.loads(self._text(f"{base}/.well-known/openid-configuration"))
        if not isinstance(found, dict) or found.get("issuer") != self._issuer.issuer:
            raise ValueError("what answers at the issuer's address is another issuer")
        if not str(found.get("jwks_uri")).startswith("https://"):
            raise ValueError("the issuer does not say where its keys are")
        return str(found["jwks_uri"])

    def _text(self, address: str) -> str:
        """A file's or an address' text; only https:// is fetched, and nothing of any length."""
        if "://" not in address:
            return Path(address).read_text("utf-8")
        if not address.startswith("https://"):
            raise ValueError("keys are fetched over https:// only")
        with urllib.request.urlopen(address, timeout=TIMEOUT_S, context=self._context) as answer:  # noqa: S310 - https only, just checked
            content: bytes = answer.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES or not answer.geturl().startswith("https://"):
                raise ValueError("the issuer's answer is too long, or leads elsewhere")
            return content.decode("utf-8")


def _role(claims: Mapping[str, Any], claim: str) -> Role:
    """The highest of our roles in a claim. Raises ValueError where there is none."""
    found: Any = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    named = found.split() if isinstance(found, str) else found
    ours = {f"{ROLE_PREFIX}{role}": role for role in Role}
    roles = [ours[one] for one in named if one in ours] if isinstance(named, list) else []
    if not roles:
        raise ValueError(f"its claim {claim} names none of {', '.join(ours)}")
    return max(roles)


def _plain(error: Exception) -> str:
    """Why, without anything that a sender wrote into the token."""
    if isinstance(error, urllib.error.URLError):
        return "the issuer does not answer"
    return type(error).__name__ if isinstance(error, jwt.PyJWTError) else str(error)
