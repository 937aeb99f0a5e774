"""DIMSE command sets (PS3.7 6.3.1): Implicit VR Little Endian, group 0000, each a few dozen bytes."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

NO_DATA_SET = 0x0101
DATA_SET = 0x0001
"""Any value but the one above (PS3.7 E.1)."""
RESPONSE = 0x8000
LONGEST_COMMENT = 64
"""Of an Error Comment, a long string (PS3.5 6.2)."""

SOP_CLASS, REQUESTED_CLASS, FIELD = 0x0002, 0x0003, 0x0100
MESSAGE_ID, RESPONDED_TO, DATA_SET_TYPE = 0x0110, 0x0120, 0x0800
STATUS, COMMENT, SOP_INSTANCE, REQUESTED_INSTANCE = 0x0900, 0x0902, 0x1000, 0x1001
EVENT_TYPE, ACTION_TYPE = 0x1002, 0x1008


class Field(IntEnum):
    """Requests that may come (PS3.7 E.1-1)."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130
    C_CANCEL = 0x0FFF


class Command(NamedTuple):
    """A request."""

    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool
    kind: int | None
    """Event Type ID or Action Type ID, of those that have one."""


def decode(encoded: bytes) -> Command:
    """Read a request. Raises ValueError where it is none."""
    found, at = {}, 0
    while at < len(encoded):
        if at + 8 > len(encoded):
            raise ValueError("a command set that is cut off")
        group, element, length = struct.unpack_from("<HHI", encoded, at)
        if group or at + 8 + length > len(encoded):
            raise ValueError("a command set with elements of others, or cut off")
        found[element] = encoded[at + 8 : at + 8 + length]
        at += 8 + length
    kind = found.get(ACTION_TYPE) or found.get(EVENT_TYPE)
    return Command(
        field=_number(found, FIELD),
        message_id=_number(found, MESSAGE_ID),
        sop_class_uid=_uid(found, SOP_CLASS) or _uid(found, REQUESTED_CLASS),
        sop_instance_uid=_uid(found, SOP_INSTANCE) or _uid(found, REQUESTED_INSTANCE),
        has_data_set=_number(found, DATA_SET_TYPE) != NO_DATA_SET,
        kind=int.from_bytes(kind[:2], "little") if kind else None,
    )


def response(request: Command, status: int, comment: str = "", *, with_data_set: bool = False) -> bytes:
    """Encode the answer to a request."""
    body = b"".join(
        (
            _text(SOP_CLASS, request.sop_class_uid, b"\0") if request.sop_class_uid else b"",
            _us(FIELD, request.field | RESPONSE),
            _us(RESPONDED_TO, request.message_id),
            _us(DATA_SET_TYPE, DATA_SET if with_data_set else NO_DATA_SET),
            _us(STATUS, status),
            _text(COMMENT, comment[:LONGEST_COMMENT], b" ") if comment else b"",
            _text(SOP_INSTANCE, request.sop_instance_uid, b"\0") if request.sop_instance_uid else b"",
            _kind(request),
        )
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _kind(request: Command) -> bytes:
    if request.kind is None:
        return b""
    return _us(EVENT_TYPE if request.field == Field.N_EVENT_REPORT else ACTION_TYPE, request.kind)


def _number(found: dict[int, bytes], element: int) -> int:
    value = found.get(element, b"")
    if len(value) != 2:
        raise ValueError(f"a command set without (0000,{element:04X})")
    return int.from_bytes(value, "little")


def _uid(found: dict[int, bytes], element: int) -> str:
    return found.get(element, b"").decode("ascii", "replace").strip(" \0")


def _us(element: int, value: int) -> bytes:
    return struct.pack("<HHIH", 0, element, 2, value)


def _text(element: int, value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii", "replace")
    encoded += padding * (len(encoded) % 2)
    return struct.pack("<HHI", 0, element, len(encoded)) + encoded
