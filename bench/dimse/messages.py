"""Bytes of an association and of C-STORE requests (PS3.7 9.3.1, PS3.8 9.3), without a socket.

The data set of a request goes in two parts: a head that holds all identifiers, so that few slices make any
number of series, and the rest, whose PDUs are encoded once for all of them.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
CONTEXT = 1
LONGEST_PDU_BYTES = 131_072
"""More than this is not sent at once, whatever a receiver would take."""
PREAMBLE_BYTES = 128 + 4
HEAD_BYTES = 6000
"""Even, as a fragment must be (PS3.8 annex E.2), and longer than all that comes before the pixels."""
ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA = 1, 2, 4
RELEASE = b"\5\0\0\0\0\4\0\0\0\0"
COMMAND, LAST = 1, 2
"""Bits of a fragment's header (PS3.8 annex E.2)."""
SYNTAX, SOP_INSTANCE, STUDY, SERIES, FRAME = (
    struct.pack("<HH", group, element)
    for group, element in ((2, 0x10), (8, 0x18), (0x20, 0xD), (0x20, 0xE), (0x20, 0x52))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A data set in explicit VR little endian, or encapsulated, without its file's header."""

    syntax: str
    head: bytes
    rest: bytes

    @classmethod
    def of_file(cls, encoded: bytes) -> Instance:
        """From a DICOM file (PS3.10)."""
        (group_bytes,) = struct.unpack_from("<I", encoded, PREAMBLE_BYTES + 8)
        start = PREAMBLE_BYTES + 12 + group_bytes
        body = encoded[start:]
        cut = min(HEAD_BYTES, len(body) - 2)  # something must be left to carry the last fragment's mark
        return cls(syntax=uid(encoded[:start], SYNTAX), head=body[:cut], rest=body[cut:])

    @property
    def size_bytes(self) -> int:
        """Of the data set."""
        return len(self.head) + len(self.rest)


def uid(head: bytes, tag: bytes) -> str:
    """The value of the first element of that tag."""
    at = head.index(tag + b"UI")
    (length,) = struct.unpack_from("<H", head, at + 6)
    return head[at + 8 : at + 8 + length].rstrip(b"\0").decode("ascii")


def renamed(head: bytes, seed: str) -> bytes:
    """The head with UIDs made from its own and the seed, of the same length; as it is without a seed."""
    if not seed:
        return head

    def other(found: re.Match[bytes]) -> bytes:
        start, old = found[0][:8], found[0][8:]
        digits = str(int(hashlib.sha256(seed.encode() + old).hexdigest(), 16)).encode()
        return start + (b"2.25." + digits * 2)[: len(old.rstrip(b"\0"))].ljust(len(old), b"\0")

    for tag in (SOP_INSTANCE, STUDY, SERIES, FRAME):
        head = re.sub(re.escape(tag) + rb"UI..[0-9.]{10,64}\0?", other, head, count=1, flags=re.DOTALL)
    return head


def beginning(number: int, head: bytes, longest_pdu_bytes: int) -> bytes:
    """The PDUs of a C-STORE request and of the head of its data set; `ending` goes after it."""
    command = b"".join(
        (
            _element(0x0002, CT_IMAGE),
            _element(0x0100, b"\1\0"),
            _element(0x0110, struct.pack("<H", number % 65535 + 1)),
            _element(0x0700, b"\0\0"),
            _element(0x0800, b"\0\0"),
            _element(0x1000, uid(head, SOP_INSTANCE).encode("ascii")),
        )
    )
    command = _element(0x0000, struct.pack("<I", len(command))) + command
    return b"".join(
        (*_pdus(command, COMMAND, LAST, longest_pdu_bytes), *_pdus(head, 0, 0, longest_pdu_bytes))
    )


def ending(rest: bytes, longest_pdu_bytes: int) -> bytes:
    """The PDUs of the rest of a data set."""
    return b"".join(_pdus(rest, 0, LAST, longest_pdu_bytes))


def request(syntax: str, calling_ae: str, called_ae: str) -> bytes:
    """An A-ASSOCIATE-RQ for CT images in one transfer syntax (PS3.8 9.3.2)."""
    context = bytes([CONTEXT, 0, 0, 0]) + _item(0x30, CT_IMAGE) + _item(0x40, syntax.encode("ascii"))
    user = _item(0x51, struct.pack(">I", LONGEST_PDU_BYTES)) + _item(0x52, b"1.2.3.4")
    titles = called_ae.encode("ascii").ljust(16) + calling_ae.encode("ascii").ljust(16)
    items = _item(0x10, APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    body = struct.pack(">HH", 1, 0) + titles + bytes(32) + items
    return struct.pack(">BBI", ASSOCIATE_RQ, 0, len(body)) + body


def accepted(content: bytes) -> int:
    """The longest PDU to be sent after an A-ASSOCIATE-AC. Raises ConnectionError for a refused context."""
    longest = 0
    for kind, value in _items(content[68:]):
        if kind == 0x21 and value[2]:
            raise ConnectionError(f"the presentation context was refused with {value[2]}")
        if kind == 0x50:
            longest = next((struct.unpack(">I", v)[0] for k, v in _items(value) if k == 0x51), 0)
    return min(longest or LONGEST_PDU_BYTES, LONGEST_PDU_BYTES)


def status(command: bytes) -> int:
    """The status of a response's command set (PS3.7 annex E). Raises ConnectionError where there is none."""
    at = 0
    while at + 8 <= len(command):
        group, element, length = struct.unpack_from("<HHI", command, at)
        if (group, element) == (0, 0x0900):
            return int(struct.unpack_from("<H", command, at + 8)[0])
        at += 8 + length
    raise ConnectionError("a response without a status")


def _pdus(content: bytes, command: int, last: int, longest_pdu_bytes: int) -> Iterator[bytes]:
    """One fragment a PDU; `last` marks the final one."""
    step = (longest_pdu_bytes - 6) // 2 * 2
    for at in range(0, len(content), step):
        part = content[at : at + step]
        bits = command | (last if at + step >= len(content) else 0)
        yield struct.pack(">BBIIBB", P_DATA, 0, len(part) + 6, len(part) + 2, CONTEXT, bits)
        yield part


def _element(element: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, element, len(value)) + value


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(content):
        kind, _, length = struct.unpack_from(">BBH", content, at)
        yield kind, content[at + 4 : at + 4 + length]
        at += 4 + length
