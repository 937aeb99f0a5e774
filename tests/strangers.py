"""Who calls gRPC with frames of HTTP/2 of their own making, and does what no client of gRPC would do."""

import socket
import struct
from typing import Self

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Stranger:
    """A connection, and calls over it (RFC 9113).

    Args:
        port: on loopback.
        window: bytes of each answer that may be sent to it; None for the protocol's own.
        address: of its own, on loopback.
    """

    def __init__(self, port: int, window: int | None = None, address: str = "127.0.0.1") -> None:
        self._streams = 0
        self._line = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
        settings = b"" if window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, window)
        self._line.sendall(PREFACE + _frame(SETTINGS, 0, 0, settings))
        self._read_until(lambda kind, flags, _stream: kind == SETTINGS and not flags & ACK)
        self._line.sendall(_frame(SETTINGS, ACK, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def call(self, path: str, *, sends: bytes | None) -> int:
        """Begin a call, with its one message or without any; returns the number of its stream."""
        stream = 2 * self._streams + 1
        self._streams += 1
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "stranger",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        head = b"".join(_literal(name.encode(), value.encode()) for name, value in fields.items())
        self._line.sendall(_frame(HEADERS, END_HEADERS, stream, head))
        if sends is not None:
            self._line.sendall(_frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(sends)) + sends))
        return stream

    def hears(self, stream: int) -> None:
        """Wait until the head of an answer has come."""
        self._read_until(lambda kind, _flags, number: kind == HEADERS and number == stream)

    def ended(self, stream: int) -> None:
        """Wait until a call has ended."""
        self._read_until(
            lambda kind, flags, number: kind == HEADERS and number == stream and flags & END_STREAM
        )

    def _read_until(self, found) -> None:
        while True:
            length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + self._exactly(9))
            self._exactly(length)
            if found(kind, flags, stream):
                return

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            if not (more := self._line.recv(size - len(read))):
                raise EOFError("the server has gone")
            read += more
        return read


def _frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is indexed nowhere (RFC 7541, 6.2.2); both are short."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
