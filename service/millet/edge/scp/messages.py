"""DIMSE messages out of P-DATA-TF PDUs (PS3.8 9.3.5, annex E), and answers into them."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from millet.edge.scp import commands
from millet.edge.scp.commands import Command
from millet.edge.scp.inbound import Inbound, Lost, Sink

DATA, RELEASE_RQ, RELEASE_RP, ABORT = 4, 5, 6, 7
LONGEST_COMMAND_BYTES = 1 << 16
MESSAGE_S = 900.0
"""For a whole message, however slowly it trickles."""
OUR_PDU_BYTES = 16_384
"""Of what we send, where the peer sets no limit."""
_COMMAND, _LAST = 1, 2


class ProtocolError(Exception):
    """The peer does not speak the protocol."""


class _Fragment(NamedTuple):
    """A presentation data value's header."""

    context: int
    length: int
    flags: int


class Messages:
    """The messages of one association, one after the other. Raises Lost or ProtocolError."""

    def __init__(self, connection: socket.socket, inbound: Inbound, most_bytes: int) -> None:
        self._connection = connection
        self._in = inbound
        self._left = 0
        """Bytes of the P-DATA PDU in hand that were not read yet."""
        self._timed = False
        """Whether the message in hand has its end in time; each PDU of it must not get another."""
        self._most_bytes = (most_bytes or OUR_PDU_BYTES) - 6

    def next(self) -> tuple[Command, int] | None:
        """The next request and its presentation context; None when the peer released."""
        self._in.within(float("inf"))  # between messages only silence ends it
        self._timed = False
        encoded, fragment = b"", self._fragment()
        while fragment is not None:
            if not fragment.flags & _COMMAND:
                raise ProtocolError("a data set that no command announced")
            if len(encoded) + fragment.length > LONGEST_COMMAND_BYTES:
                raise ProtocolError("a command set that does not end")
            encoded += self._in.exactly(fragment.length)
            if fragment.flags & _LAST:
                return _decoded(encoded), fragment.context
            fragment = self._fragment()
        return None

    def data_set(self, sink: Sink) -> None:
        """Give the data set that follows to a sink."""
        last = False
        while not last:
            fragment = self._fragment()
            if fragment is None or fragment.flags & _COMMAND:
                raise ProtocolError("a command in the middle of a data set")
            self._in.stream(fragment.length, sink)
            last = bool(fragment.flags & _LAST)

    def answer(self, context: int, command: bytes, data_set: bytes = b"") -> None:
        """Send a response."""
        parts = [self._encoded(context, command, _COMMAND)]
        if data_set:
            parts.append(self._encoded(context, data_set, 0))
        self._send(b"".join(parts))

    def _encoded(self, context: int, value: bytes, kind: int) -> bytes:
        pdus = []
        for at in range(0, len(value), self._most_bytes):
            part = value[at : at + self._most_bytes]
            flags = kind | (_LAST if at + len(part) == len(value) else 0)
            pdus.append(struct.pack(">BBIIBB", DATA, 0, len(part) + 6, len(part) + 2, context, flags) + part)
        return b"".join(pdus)

    def _fragment(self) -> _Fragment | None:
        """The next fragment's header; None when the peer released."""
        while not self._left:
            kind, _, self._left = struct.unpack(">BBI", self._in.exactly(6))
            if not self._timed:
                self._in.within(MESSAGE_S)
                self._timed = True
            if kind == RELEASE_RQ:
                self._send(struct.pack(">BBII", RELEASE_RP, 0, 4, 0))
                return None
            if kind == ABORT:
                raise Lost("the peer aborted")
            if kind != DATA:
                raise ProtocolError("a PDU that does not belong here")
        if self._left < 6:
            raise ProtocolError("a P-DATA PDU that ends within a header")
        length, context, flags = struct.unpack(">IBB", self._in.exactly(6))
        if length < 2 or length + 4 > self._left:
            raise ProtocolError("a fragment longer than its PDU")
        self._left -= length + 4
        return _Fragment(context, length - 2, flags)

    def _send(self, encoded: bytes) -> None:
        try:
            self._connection.sendall(encoded)
        except OSError as error:
            raise Lost(f"the connection failed: {type(error).__name__}") from None


def _decoded(encoded: bytes) -> Command:
    try:
        return commands.decode(encoded)
    except ValueError as error:
        raise ProtocolError(str(error)) from None
