"""The bytes of a DICOM association as a sender writes them (PS3.8 9.3, PS3.7 9.3.1), and a plain sender."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Self

APPLICATION = "1.2.840.10008.3.1.1.1"
CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
STORE_RQ, ECHO_RQ = 0x0001, 0x0030
STATUS = 0x0900
LONGEST = 65_536


def pdu(kind: int, body: bytes) -> bytes:
    """One PDU."""
    return struct.pack(">BBI", kind, 0, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    """One item or sub-item of an A-ASSOCIATE PDU."""
    return struct.pack(">BBH", kind, 0, len(body)) + body


def associate(
    contexts: Sequence[tuple[str, str]],
    calling: str = "SCANNER",
    called: str = "MILLET",
    longest: int = LONGEST,
) -> bytes:
    """An A-ASSOCIATE-RQ; context n of (abstract syntax, transfer syntax) has the identifier 2n + 1."""
    proposed = b"".join(
        item(
            0x20,
            bytes((2 * n + 1, 0, 0, 0)) + item(0x30, abstract.encode()) + item(0x40, transfer.encode()),
        )
        for n, (abstract, transfer) in enumerate(contexts)
    )
    user = item(0x51, struct.pack(">I", longest)) + item(0x52, b"1.2.826.0.1.3680043.8.498.1")
    titles = called.encode().ljust(16) + calling.encode().ljust(16)
    return pdu(
        ASSOCIATE_RQ,
        struct.pack(">HH", 1, 0)
        + titles
        + bytes(32)
        + item(0x10, APPLICATION.encode())
        + proposed
        + item(0x50, user),
    )


def command(**fields: int | str) -> bytes:
    """A command set in Implicit VR Little Endian, group length first (PS3.7 6.3)."""
    body = b"".join(
        struct.pack("<HHI", 0, tag, len(value)) + value
        for tag, value in sorted((_TAGS[name], _value(value)) for name, value in fields.items())
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


_TAGS = {
    "sop_class": 2,
    "field": 0x100,
    "message": 0x110,
    "priority": 0x700,
    "data": 0x800,
    "sop_instance": 0x1000,
}


def _value(value: int | str) -> bytes:
    if isinstance(value, int):
        return struct.pack("<H", value)
    return value.encode() + b"\0" * (len(value) % 2)


def store(sop_instance: str, message: int = 1, sop_class: str = CT) -> bytes:
    """A C-STORE request."""
    return command(
        sop_class=sop_class, field=STORE_RQ, message=message, priority=0, data=1, sop_instance=sop_instance
    )


def echo(message: int = 1) -> bytes:
    """A C-ECHO request."""
    return command(sop_class=VERIFICATION, field=ECHO_RQ, message=message, data=0x0101)


def fragments(context: int, body: bytes, *, is_command: bool, longest: int = LONGEST) -> Iterator[bytes]:
    """P-DATA-TF PDUs of one fragment each."""
    room = longest - 6
    for at in range(0, max(len(body), 1), room):
        part, last = body[at : at + room], at + room >= len(body)
        yield pdu(DATA, struct.pack(">IBB", len(part) + 2, context, is_command | last << 1) + part)


class Refused(Exception):  # noqa: N818 - named for what happened
    """The other side answered with something else than was hoped for."""


class Sender:
    """One association, one request at a time."""

    def __init__(
        self,
        port: int,
        contexts: Sequence[tuple[str, str]] = ((CT, EXPLICIT),),
        timeout_s: float = 60.0,
        **who: str,
    ) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._messages = 0
        kind = None
        try:
            self._line.sendall(associate(contexts, **who))
            kind, _ = self.read()
        finally:
            if kind != ASSOCIATE_AC:
                self._line.close()
        if kind != ASSOCIATE_AC:
            raise Refused(f"PDU {kind} instead of an A-ASSOCIATE-AC")

    def read(self) -> tuple[int, bytes]:
        """The next PDU: its type and its body. Raises EOFError when the line ends before."""
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def store(self, sop_instance: str, dataset: bytes, context: int = 1, sop_class: str = CT) -> int:
        """Send one instance; its status."""
        self._messages += 1
        whole = b"".join(
            (
                *fragments(context, store(sop_instance, self._messages, sop_class), is_command=True),
                *fragments(context, dataset, is_command=False),
            )
        )
        self._line.sendall(whole)
        return self.status()

    def status(self) -> int:
        """Of the response that comes next."""
        kind, body = self.read()
        if kind != DATA:
            raise Refused(f"PDU {kind} instead of a response")
        at, element, length = 6, 0, 0
        while element != STATUS:  # not looked for by its bytes, which message 521 has elsewhere
            at += length
            _, element, length = struct.unpack_from("<HHI", body, at)
            at += 8
        return int.from_bytes(body[at : at + length], "little")

    def release(self) -> None:
        """End it as agreed."""
        self._line.sendall(pdu(RELEASE_RQ, bytes(4)))
        self.read()
        self._line.close()

    def close(self) -> None:
        """End it."""
        self._line.close()

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            if not (part := self._line.recv(size)):
                raise EOFError("the line was closed")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
