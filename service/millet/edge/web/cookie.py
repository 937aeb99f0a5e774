"""The cookie of who signed in: it holds the token that a program would send, for this server alone.

So nothing is kept of a session here: each request is recognised by its token as any other is, by whichever
machine answers, and no longer than the token is. Scripts cannot read it, pages of other sites cannot send it,
and over TLS its name says that this host alone, and over TLS, has set it (RFC 6265bis, 4.1).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from starlette.requests import cookie_parser
from starlette.responses import Response

NAME, NAME_OVER_TLS = "millet", "__Host-millet"
KEPT_S = 43_200
"""Twelve hours: a long shift."""
BEGUN_S = 600
"""For somebody to sign in at the issuer."""
LONGEST_TOKEN = 2_900
"""Characters; browsers drop cookies of more than 4096."""


def token_of(header: str, scheme: str) -> str:
    """The token in a request's cookies; empty for none."""
    held = cookie_parser(header).get(_name(scheme), "")
    try:
        return base64.urlsafe_b64decode(held.encode("ascii")).decode("utf-8")
    except (UnicodeError, binascii.Error):
        return ""


def keep(answer: Response, token: str, scheme: str) -> None:
    """Have a browser hold a token of at most `LONGEST_TOKEN` characters; an empty one, forget it."""
    value = base64.urlsafe_b64encode(token.encode()).decode("ascii")
    answer.set_cookie(
        _name(scheme),
        value,
        max_age=KEPT_S if token else 0,
        secure=scheme == "https",
        httponly=True,
        samesite="strict",
    )


def begun(header: str, scheme: str) -> Sequence[str]:
    """What a browser held of a sign-in that it began elsewhere; nothing of nothing."""
    try:
        held = json.loads(base64.urlsafe_b64decode(cookie_parser(header).get(_begun(scheme), "")))
    except (ValueError, RecursionError):  # whoever asks may have written it
        return ()
    return (
        held if isinstance(held, list) and all(isinstance(one, str) and one.isascii() for one in held) else ()
    )


def begin(answer: Response, facts: Sequence[str], scheme: str) -> None:
    """Have a browser hold a sign-in until it ends; not strictly, since another site leads back to it."""
    value = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode("ascii")
    age_s = BEGUN_S if facts else 0
    answer.set_cookie(
        _begun(scheme), value, max_age=age_s, secure=scheme == "https", httponly=True, samesite="lax"
    )


def _name(scheme: str) -> str:
    return NAME_OVER_TLS if scheme == "https" else NAME


def _begun(scheme: str) -> str:
    return f"{_name(scheme)}-begun"
