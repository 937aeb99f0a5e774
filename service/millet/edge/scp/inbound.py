"""What comes in over one connection: bytes into one buffer, and from there straight to where they belong."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

BUFFER_BYTES = 1 << 16
SMALL_BYTES = 1 << 12
"""Enough to negotiate with: a connection that never sends an instance never costs more."""

Sink = Callable[[memoryview], None]
"""Takes bytes that are gone when it returns."""


class Lost(Exception):  # noqa: N818 - no fault of ours
    """The peer is gone, or said nothing for too long."""


class Inbound:
    """Reads from a connected socket. Raises Lost."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = memoryview(bytearray(SMALL_BYTES))
        self._from = self._to = 0
        self._deadline_s = float("inf")

    def within(self, seconds: float) -> None:
        """What is read from now on must all be there by then, however little comes at a time."""
        self._deadline_s = time.monotonic() + seconds

    def exactly(self, count: int) -> bytes:
        """The next so many bytes; the caller bounds them."""
        parts: list[bytes] = []
        self.stream(count, lambda piece: parts.append(bytes(piece)))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stream(self, count: int, sink: Sink) -> None:
        """Give the next so many bytes to a sink, piece by piece."""
        while count:
            if self._from == self._to:
                self._fill(count)
            end = min(self._to, self._from + count)
            piece = self._buffer[self._from : end]
            count -= len(piece)
            self._from = end
            sink(piece)

    def _fill(self, wanted: int) -> None:
        if wanted > SMALL_BYTES and len(self._buffer) < BUFFER_BYTES:
            self._buffer = memoryview(bytearray(BUFFER_BYTES))
        if time.monotonic() > self._deadline_s:
            raise Lost("it took too long")
        try:
            received = self._connection.recv_into(self._buffer)
            self._acknowledge_at_once()
        except TimeoutError:
            raise Lost("it was silent for too long") from None
        except OSError as error:
            raise Lost(f"the connection failed: {type(error).__name__}") from None
        if not received:
            raise Lost("the peer closed the connection")
        self._from, self._to = 0, received

    def _acknowledge_at_once(self) -> None:
        """Ask for an immediate TCP acknowledgement of what comes next; the kernel forgets it each time.

        Senders such as DCMTK leave Nagle's algorithm on: their next small packet waits for our delayed
        acknowledgement, 40 ms for each instance.
        """
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
