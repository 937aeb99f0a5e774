"""One association of a sender on loopback, one outstanding request, blocking."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

from dimse import messages

REPLIES = {2: "accepted", 3: "rejected", 4: "data", 6: "released", 7: "aborted"}


class Association:
    """Opened when it is made, released at the end of a `with`. Raises OSError, ConnectionError included."""

    def __init__(self, port: int, syntax: str, calling_ae: str = "BENCH", called_ae: str = "MILLET") -> None:
        self._peer = socket.create_connection(("127.0.0.1", port))
        self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._peer.sendall(messages.request(syntax, calling_ae, called_ae))
            self.longest_pdu_bytes = messages.accepted(self._reply("accepted"))
            """What the receiver takes at once."""
        except BaseException:
            self._peer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._peer.sendall(messages.RELEASE)
                self._reply("released")
        finally:
            self._peer.close()

    def store(self, beginning: bytes, ending: bytes) -> None:
        """Send a request and wait for success; any other status raises ConnectionError."""
        self._peer.sendall(beginning, socket.MSG_MORE)
        self._peer.sendall(ending)
        if status := messages.status(self._command()):
            raise ConnectionError(f"refused with {status:#06x}")

    def _command(self) -> bytes:
        """The command set of the next message, however it is cut."""
        command, last = b"", False
        while not last:
            content, at = self._reply("data"), 0
            while at < len(content):
                (length,) = struct.unpack_from(">I", content, at)
                command += content[at + 6 : at + 4 + length]
                last = bool(content[at + 5] & messages.LAST)
                at += 4 + length
        return command

    def _reply(self, expected: str) -> bytes:
        """The content of the next PDU."""
        kind, _, length = struct.unpack(">BBI", self._exactly(6))
        if (name := REPLIES.get(kind, f"a PDU of type {kind}")) != expected:
            raise ConnectionError(f"{name} instead of {expected}")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            part = self._peer.recv(count - len(parts))
            if not part:
                raise ConnectionError("the receiver went away")
            parts += part
        return parts
