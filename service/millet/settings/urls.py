"""The address of a web server in the settings, and what can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from millet.core.peer import PORTS, is_host

SCHEMES = ("http", "https")
PATH = r"[!-~]*"
"""Printable ASCII without blanks (RFC 3986 2): what is anything else is written with %."""


def url_mistakes(to: str, *, tls: bool) -> Iterator[str]:
    """What is wrong with `to`, and with `tls` beside it."""
    if not _is_url(to):
        yield f"to: {to!r} is not of the form http[s]://HOST[:PORT][/PATH]"
    elif tls != (urlsplit(to).scheme == "https"):
        yield "to: https:// belongs to tls = true, http:// to tls = false"


def _is_url(text: str) -> bool:
    try:
        split = urlsplit(text)
        ported = split.port is None or split.port in PORTS
    except ValueError:
        return False
    reached = split.scheme in SCHEMES and is_host(split.hostname or "") and ported
    return bool(reached and re.fullmatch(PATH, split.path) and not (split.query or split.username))
