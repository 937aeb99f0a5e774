"""One HTTP POST, bounded in time and in the size of its answer."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from millet.edge.destinations.answers import broken
from millet.edge.destinations.connecting import connect
from millet.edge.destinations.limit import Limit
from millet.edge.destinations.tls import Tls
from millet.errors import DeliveryError

LONGEST_ANSWER = 1_000_000
"""Bytes that are read of an answer: what is said of one instance is short."""
LONGEST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where to knock, and what to show."""

    url: str
    tls: Tls | None = None
    """Asked for each connection to an `https://` URL; None for what the machine trusts."""
    token_file: Path | None = None
    """Holds a bearer token (RFC 6750); read each time, so that a renewed one is used at once."""
    timeout_s: float = 30.0
    """For each wait."""
    limit_s: float = 300.0
    """For the whole request."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    media_type: str
    body: bytes
    """Its first `LONGEST_ANSWER` bytes."""
    after_s: float
    """From Retry-After in seconds; 0 where it says nothing (or a date)."""


class Poster:
    """Posts to one server. A connection for each request; neither redirects nor proxies are followed.

    Raises ValueError for what is no URL.
    """

    def __init__(self, door: Door) -> None:
        split = urlsplit(door.url)
        if split.scheme not in {"http", "https"} or not split.hostname or split.query or split.username:
            raise ValueError("it must be http[s]://HOST[:PORT][/PATH]")
        self._door = door
        self._encrypted = split.scheme == "https"
        self._host = split.hostname
        self._port = split.port
        self._path = split.path.rstrip("/")

    def post(self, path: str, headers: Mapping[str, str], body: Sequence[bytes]) -> Answer:
        """POST and read the answer. Blocks at most `limit_s`; raises DeliveryError."""
        sent = {"Content-Length": str(sum(map(len, body))), **headers, **self._authorization()}
        with Limit(self._door.limit_s) as limit, closing(self._connect(limit)) as connection:
            try:
                connection.request("POST", self._path + path or "/", iter(body), sent)
                return _answer(connection.getresponse())
            except (OSError, HTTPException) as error:
                said = "took too long" if limit.reached else f"broke off ({type(error).__name__})"
                raise broken(said) from None

    def _connect(self, limit: Limit) -> HTTPConnection:
        tls, timeout_s = self._door.tls, self._door.timeout_s
        if not self._encrypted:
            connection, context = HTTPConnection(self._host, self._port), None
        else:
            context = ssl.create_default_context() if tls is None else tls()
            connection = HTTPSConnection(self._host, self._port, context=context)
        connection.sock = connect((self._host, connection.port), context, timeout_s, limit)
        return connection

    def _authorization(self) -> Mapping[str, str]:
        if self._door.token_file is None:
            return {}
        try:
            token = self._door.token_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = f"the token cannot be read: {type(error).__name__}"
            raise DeliveryError(why, retryable=True, away=True) from None
        return {"Authorization": f"Bearer {token}"}


def _answer(response: HTTPResponse) -> Answer:
    after = response.headers.get("Retry-After", "")
    return Answer(
        status=response.status,
        media_type=response.headers.get_content_type(),
        body=response.read(LONGEST_ANSWER),
        after_s=min(float(after), LONGEST_WAIT_S) if after.isascii() and after.isdigit() else 0.0,
    )
