"""What comes in over one connection: bytes into one buffer, and from there straight to where they belong."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable

BUFFER_BYTES = 1 << 18
"""Half a slice of today: each reading lets another thread have the interpreter, and waits to get it back."""
CROWD_BYTES = 1 << 15
"""Where many connections share the memory."""
SMALL_BYTES = 1 << 12
"""Enough to negotiate with: a connection that never sends an instance never costs more."""

Sink = Callable[[memoryview], None]
"""Takes bytes that are gone when it returns."""


class Lost(Exception):  # noqa: N818 - no fault of ours
    """The peer is gone, or said nothing for too long."""


def be_patient(connection: socket.socket, seconds: float) -> None:
    """For how long a reading or a writing may take.

    The kernel keeps the time where it can: with Python's own timeouts each reading is two waits, one for data
    and one for the reading. TLS needs those of Python.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(seconds)
        return
    connection.settimeout(None)
    timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, timeval)


class Inbound:
    """Reads from a connected socket. Raises Lost."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._most_bytes = CROWD_BYTES
        self._buffer = memoryview(bytearray(SMALL_BYTES))
        self._from = self._to = 0
        self._deadline_s = float("inf")

    def grow(self) -> None:
        """Read larger pieces from now on."""
        self._most_bytes = BUFFER_BYTES

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
        if wanted > SMALL_BYTES and len(self._buffer) < self._most_bytes:
            self._buffer = memoryview(bytearray(self._most_bytes))
        if time.monotonic() > self._deadline_s:
            raise Lost("it took too long")
        try:
            received = self._connection.recv_into(self._buffer)
            self._acknowledge_at_once()
        except (TimeoutError, BlockingIOError):
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
