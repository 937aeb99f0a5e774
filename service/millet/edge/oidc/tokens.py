"""Tokens of an OpenID Connect issuer: signature, issuer, audience and times, and the role in a claim.

Only signatures with asymmetric keys are taken (RFC 8725 3.1): neither none nor HMAC, for which a public key
would be the secret. Roles carry our prefix, since an `admin` of another application is none of ours.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from millet.core.roles import Role, Who
from millet.edge.oidc.issuer import Issuer, Line, plain

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ROLE_PREFIX = "millet-"
LEEWAY_S = 30.0
"""Clocks of hospitals are not all alike."""
KEEP_S = 600.0
"""How long keys are used before they are asked for anew."""
AGAIN_S = 30.0
"""Soonest repeat after a failure, or for a key that is not there: forged tokens make no flood of requests."""
WAIT_S, WAITING_AT_MOST = 2.0, 2
"""For the first keys, and who may: anybody can show a token, and threads are needed for all else."""
LONGEST_TOKEN = 16_384


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
        self._line = Line(issuer, context)
        self._monotonic_s = monotonic_s
        self._lock, self._fetching = threading.Lock(), threading.Lock()
        self._waiting = threading.Semaphore(WAITING_AT_MOST)
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fresh_until_s = self._not_before_s = monotonic_s()

    def who(self, token: str, nonce: str | None = None) -> Who | None:
        """Whose token it is; None, with the reason in the log, where it is not to be trusted.

        Args:
            token: as it was shown.
            nonce: which it must hold, where it answers a request of ours; None for any.
        """
        try:
            claims = self._claims(token, nonce)
            role = _role(claims, self._issuer.role_claim)
        except (jwt.PyJWTError, ValueError) as error:
            log.warning("a token of OpenID Connect is not taken", extra={"why": plain(error)})
            return None
        return Who(name=str(claims["sub"]), role=role)

    def _claims(self, token: str, nonce: str | None) -> dict[str, Any]:
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
            audience=self._issuer.audiences,
            issuer=self._issuer.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        if nonce is not None and claims.get("nonce") != nonce:
            raise ValueError("it answers another request than ours")
        return claims

    def _key(self, kid: str) -> jwt.PyJWK:
        now_s = self._monotonic_s()
        if self._is_due(kid, now_s):
            with self._fetching:
                self._fetch(now_s)
        elif not self._keys:
            self._wait()
        if (found := self._keys.get(kid)) is None:
            raise ValueError("it is signed with a key that its issuer does not have")
        return found

    def _wait(self) -> None:
        """For the first fetch, if one is under way, and not for long."""
        if self._waiting.acquire(blocking=False):
            if self._fetching.acquire(timeout=WAIT_S):
                self._fetching.release()
            self._waiting.release()

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
            keys = jwt.PyJWKSet.from_json(self._line.keys()).keys
        except (
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            jwt.PyJWTError,
        ) as error:  # whatever it answered
            log.warning("keys of the issuer cannot be had", extra={"why": plain(error)})
            return
        self._keys = {one.key_id or "": one for one in keys if one.key_type != "oct"}
        self._fresh_until_s = now_s + KEEP_S


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
