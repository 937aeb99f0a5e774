"""A connection to a DICOMweb server: timeouts, TLS, a bearer token. Redirects are not followed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from millet.edge.query.association import Limits
from millet.errors import ArchiveError


@dataclass(frozen=True, kw_only=True)
class WebCaller:
    """A DICOMweb server, and how we get there."""

    url: str
    """Of the service, below which `/studies` lies."""
    limits: Limits = field(default_factory=Limits)
    tls: Callable[[], ssl.SSLContext] | None = None
    """Asked for each connection to an https URL; None for the system's authorities."""
    token_file: Path | None = None
    """Of a bearer token, read for each connection."""

    def __post_init__(self) -> None:
        split = self._split
        if split.scheme not in {"http", "https"} or not split.hostname or split.query or split.username:
            raise ValueError("a DICOMweb service is http[s]://HOST[:PORT][/PATH]")

    @cached_property
    def _split(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def path(self) -> str:
        """What stands before `/studies` in every address."""
        return self._split.path.rstrip("/")

    def opened(self) -> HTTPConnection:
        """A connection that is not made yet."""
        split, wait_s = self._split, self.limits.answer_s
        host = str(split.hostname)
        if split.scheme == "http":
            return HTTPConnection(host, split.port, timeout=wait_s)
        context = ssl.create_default_context() if self.tls is None else self.tls()
        return HTTPSConnection(host, split.port, timeout=wait_s, context=context)


@contextmanager
def connection(caller: WebCaller) -> Iterator[tuple[HTTPConnection, dict[str, str]]]:
    """A connection with the headers that every request has, closed in the end. Raises ArchiveError."""
    headers = {"User-Agent": "millet"}
    try:
        if caller.token_file is not None:
            headers["Authorization"] = f"Bearer {caller.token_file.read_text('ascii').strip()}"
        opened = caller.opened()
    except (OSError, ValueError) as error:
        raise ArchiveError(f"the archive cannot be called: {type(error).__name__}") from None
    try:
        yield opened, headers
    finally:
        opened.close()
