"""How calls are made: over one channel, tried again while the service is away, streams gone on with.

Every call is safe to be tried again: those that read change nothing, those that change something carry an
idempotency key, and an instance that is submitted twice is one. A watch goes on after the last message that
it gave, so that nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import grpc

from millet_client.errors import MilletError, Unavailable, error_of

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
CHANNEL: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
"""A service whose machine is gone is noticed within a minute, though a watch says nothing."""
CUT = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN})
"""What a stream ends with, without a reason of the service's, where something between cut it."""
PASSING = frozenset({"FAILED", "STALLED", "TOO_MANY_CALLS", "TOO_MANY_PULLS"})
"""Reasons of the service's that pass, beside those of UNAVAILABLE."""

Token = str | Callable[[], str]
"""A bearer token, or what gives the newest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files; by default the service's certificate is checked against the roots that come with gRPC."""

    roots: Path | None = None
    """Who signs the service's certificate."""
    certificate: Path | None = None
    """What we show, where the service asks for one."""
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What a channel is opened with. Raises OSError."""
        files = (self.roots, self.key, self.certificate)
        return grpc.ssl_channel_credentials(*(None if one is None else one.read_bytes() for one in files))


T = TypeVar("T")


class Transport:
    """One channel. Thread-safe.

    Args:
        address: host:port of the service.
        tls: None sends everything, the token too, in the clear: for loopback.
        token: empty for none.
        timeout_s: for each call that is no watch, all its tries together.
    """

    def __init__(self, address: str, *, tls: Tls | None, token: Token, timeout_s: float) -> None:
        self._token = token
        self._timeout_s = timeout_s
        self._closed = threading.Event()
        if tls is None:
            self.channel = grpc.insecure_channel(address, CHANNEL)
        else:
            self.channel = grpc.secure_channel(address, tls.credentials(), CHANNEL)

    def close(self) -> None:
        """End every call; iterators over watches end."""
        self._closed.set()
        self.channel.close()

    def ask(self, method: Any, request: Any) -> Any:
        """The answer of a call with one answer. Raises MilletError."""
        return self._within(lambda left_s: method(request, timeout=left_s, metadata=self._metadata()))

    def whole(self, method: Any, request: Any) -> list[Any]:
        """All messages of a stream that ends by itself. Raises MilletError."""

        def all_of(left_s: float) -> list[Any]:
            return list(method(request, timeout=left_s, metadata=self._metadata()))

        return self._within(all_of)

    def stream(self, method: Any, request: Any) -> Iterator[Any]:
        """The messages of one call, which is cancelled when they are not wanted any more.

        Args:
            method: of a stub.
            request: or an iterator of requests.

        Raises grpc.RpcError.
        """
        call = method(request, metadata=self._metadata())
        try:
            yield from call
        finally:
            call.cancel()

    def persisted(self, tried: Callable[[], Iterator[T]]) -> Iterator[T]:
        """What a stream gives that ends by itself, begun again where it failed and that may pass.

        Args:
            tried: begins the stream; it gives nothing that it gave before. Raises grpc.RpcError, MilletError.

        Raises MilletError when nothing came for the time of a call since it failed.
        """
        gives_up_s, waits = inf, _waits()
        while True:
            try:
                for message in tried():
                    yield message
                    gives_up_s, waits = inf, _waits()
            except (grpc.RpcError, MilletError) as failed:
                failure = failed if isinstance(failed, MilletError) else error_of(failed)
            except ValueError as failed:
                if not self._closed.is_set():
                    raise
                raise Unavailable("this client was closed", grpc.StatusCode.CANCELLED) from failed
            else:
                return
            now_s, wait_s = monotonic(), next(waits)
            gives_up_s = min(gives_up_s, now_s + self._timeout_s)
            if not may_pass(failure) or now_s + wait_s >= gives_up_s or self._closed.wait(wait_s):
                raise failure

    def followed(self, method: Any, request: Any) -> Iterator[Any]:
        """The messages of a stream that has no end, over as many connections as it takes. Raises MilletError.

        Args:
            method: of a stub.
            request: has a `resume_token`, as its messages have; it is changed as the stream goes on.
        """
        waits = _waits()
        while not self._closed.is_set():
            try:
                call = method(request, metadata=self._metadata())
            except ValueError:  # of a channel that was closed a moment ago
                return
            try:
                for message in call:
                    request.resume_token = message.resume_token
                    waits = _waits()
                    yield message
            except grpc.RpcError as failed:
                failure = error_of(failed)
                if not self._closed.is_set() and not _was_cut(failure):
                    raise failure from failed
            finally:
                call.cancel()
            self._closed.wait(next(waits))

    def _within(self, tried: Callable[[float], T]) -> T:
        ends_s, waits = monotonic() + self._timeout_s, _waits()
        while True:
            try:
                return tried(max(ends_s - monotonic(), 0.0))
            except grpc.RpcError as failed:
                failure, wait_s = error_of(failed), next(waits)
                away = isinstance(failure, Unavailable) and not self._closed.is_set()
                if not away or monotonic() + wait_s >= ends_s:
                    raise failure from failed
            self._closed.wait(wait_s)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token if isinstance(self._token, str) else self._token()
        return (("authorization", f"Bearer {token}"),) if token else ()


def may_pass(failure: MilletError) -> bool:
    """Whether the same may succeed later."""
    return _was_cut(failure) or failure.reason in PASSING


def _was_cut(failure: MilletError) -> bool:
    return isinstance(failure, Unavailable) or (failure.code in CUT and not failure.reason)


def _waits() -> Iterator[float]:
    """Longer and longer, and never the same for two clients, which else would come back together."""
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
