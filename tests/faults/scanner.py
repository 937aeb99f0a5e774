"""A C-STORE user on a blocking socket, which knows to the byte what was acknowledged (PS3.7 9, PS3.8 9.3).

Nothing of the service or of pynetdicom is used: what counts as acknowledged is read off the wire.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import NamedTuple

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
CONTEXT = 1
_META_AT = 132
"""Where file meta information begins in a file (PS3.10 7.1)."""


class Slice(NamedTuple):
    """One instance as it goes over the wire."""

    sop_instance_uid: str
    series_uid: str
    dataset: bytes
    """In explicit VR little endian, without file meta information."""
    sop_class_uid: str = CT_IMAGE


class AssociationLost(Exception):  # noqa: N818 - the name says it
    """The association is gone; what was not acknowledged may or may not have arrived."""


def dataset_of(file: bytes) -> bytes:
    """The data set of a DICOM file; an empty one of what is no file."""
    if file[128:_META_AT] != b"DICM":
        return b""
    (length,) = struct.unpack_from("<I", file, _META_AT + 8)
    return file[_META_AT + 12 + length :]


class Association:
    """One association for CT images. Every failure of the wire is an AssociationLost."""

    def __init__(
        self, port: int, calling_ae: str, called_ae: str = "MILLET", timeout_s: float = 15.0
    ) -> None:
        self._messages = 0
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(_request(calling_ae, called_ae))
            kind, body = self._pdu()
        except OSError as failure:
            raise AssociationLost(str(failure)) from failure
        if kind != 2:
            self.drop()
            raise AssociationLost(f"answered by a PDU of type {kind}")
        self._longest = _longest_pdu(body)

    def store(self, one: Slice) -> int:
        """C-STORE; the status of its response."""
        self._messages += 1
        command = _store_command(one, self._messages)
        try:
            self._send(command, 3)
            self._send(one.dataset, 2)
            return self._status()
        except (OSError, struct.error) as failure:
            self.drop()
            raise AssociationLost(str(failure)) from failure

    def half_store(self, one: Slice, sent_bytes: int) -> None:
        """Begin a C-STORE and drop the connection after so many bytes of its data set."""
        self._messages += 1
        with suppress(OSError):
            self._send(_store_command(one, self._messages), 3)
            self._socket.sendall(_data(one.dataset, 0)[:sent_bytes])
        self.drop()

    def release(self) -> None:
        """A-RELEASE."""
        with suppress(OSError):
            self._socket.sendall(struct.pack(">BxI4x", 5, 4))
            self._pdu()
        self.drop()

    def abort(self) -> None:
        """A-ABORT."""
        with suppress(OSError):
            self._socket.sendall(struct.pack(">BxI4x", 7, 4))
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        self._socket.close()

    def _send(self, message: bytes, last: int) -> None:
        room = min(self._longest, 1 << 17) - 6
        pieces = [message[at : at + room] for at in range(0, len(message), room)] or [b""]
        for number, piece in enumerate(pieces, start=1):
            self._socket.sendall(_data(piece, last if number == len(pieces) else last & 1))

    def _status(self) -> int:
        message = b""
        while True:
            kind, body = self._pdu()
            if kind != 4:
                raise ConnectionAbortedError(f"a PDU of type {kind} instead of a response")
            message += body[6:]
            if body[5] & 2:
                break
        elements = _elements(message)
        if struct.unpack("<H", elements[0x0120])[0] != self._messages:
            raise ConnectionAbortedError("a response to another message")
        return int(struct.unpack("<H", elements[0x0900])[0])

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, size_bytes: int) -> bytes:
        parts = bytearray()
        while len(parts) < size_bytes:
            if not (more := self._socket.recv(size_bytes - len(parts))):
                raise ConnectionAbortedError("closed by the peer")
            parts += more
        return bytes(parts)


def _data(piece: bytes, flags: int) -> bytes:
    """A P-DATA-TF PDU of one PDV."""
    return struct.pack(">BxIIBB", 4, len(piece) + 6, len(piece) + 2, CONTEXT, flags) + piece


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _request(calling_ae: str, called_ae: str) -> bytes:
    """An A-ASSOCIATE-RQ for CT images in explicit VR little endian."""
    names = called_ae.ljust(16).encode() + calling_ae.ljust(16).encode()
    context = struct.pack(">BxBx", CONTEXT, 0)
    context += _item(0x30, CT_IMAGE.encode()) + _item(0x40, EXPLICIT.encode())
    user = _item(0x51, struct.pack(">I", 1 << 17)) + _item(0x52, b"1.2.826.0.1.3680043.8.498.77.1")
    body = struct.pack(">Hxx", 1) + names + bytes(32)
    body += _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BxI", 1, len(body)) + body


def _longest_pdu(accepted: bytes) -> int:
    """The longest PDU that an A-ASSOCIATE-AC allows; AssociationLost where it takes no CT images."""
    at, longest, taken = 68, 16_384, False
    while at + 4 <= len(accepted):
        kind, length = struct.unpack_from(">BxH", accepted, at)
        body = accepted[at + 4 : at + 4 + length]
        if kind == 0x21:
            taken = body[2] == 0
        if kind == 0x50 and body[:1] == b"\x51":
            longest = struct.unpack_from(">I", body, 4)[0] or 1 << 17
        at += 4 + length
    if not taken:
        raise AssociationLost("CT images are not taken")
    return int(longest)


def _store_command(one: Slice, message: int) -> bytes:
    """A C-STORE-RQ command set, in implicit VR little endian (PS3.7 9.3.1.1)."""
    body = _uid(0x0002, one.sop_class_uid) + _short(0x0100, 0x0001) + _short(0x0110, message)
    body += _short(0x0700, 0) + _short(0x0800, 0x0000) + _uid(0x1000, one.sop_instance_uid)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _uid(element: int, uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return struct.pack("<HHI", 0, element, len(value)) + value


def _short(element: int, value: int) -> bytes:
    return struct.pack("<HHIH", 0, element, 2, value)


def _elements(command: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + 8 <= len(command):
        _, element, length = struct.unpack_from("<HHI", command, at)
        found[element] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return found
