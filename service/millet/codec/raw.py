"""One data element as bytes (PS3.5 7.1): its header read and written, its value left as it is."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR

UNDEFINED = 0xFFFF_FFFF
"""The length of what ends with a delimiter."""
ITEM, ITEM_END = 0xFFFE_E000, 0xFFFE_E00D
ITEM_GROUP = 0xFFFE
_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_TEXTS = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"}
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "HH"}
_VRS = _LONG | _TEXTS | set(NUMBERS)
HEADS = {order: struct.Struct(f"{order}HH2sH") for order in "<>"}
_LENGTHS = {order: struct.Struct(f"{order}I") for order in "<>"}
VR_NAMES = {vr.encode("ascii"): vr for vr in _VRS}
SHORT_VRS = {vr.encode("ascii"): vr for vr in _VRS - _LONG}
"""Those whose length takes two bytes (PS3.5 table 7.1-2)."""
ITEM_START = struct.pack("<HH", 0xFFFE, 0xE000)
_REMEMBERED = 4096  # tags: a sender may make up four thousand million


class Syntax(NamedTuple):
    """How elements are written (PS3.5 7.1 and 7.3)."""

    explicit: bool
    order: str
    """`<` or `>`, as `struct` writes it."""


class Header(NamedTuple):
    """What stands before a value."""

    tag: int
    vr: str
    length: int
    """As claimed, or `UNDEFINED`."""
    start: int
    """Of the value, in the bytes read."""


@lru_cache(_REMEMBERED)
def dictionary_vr(tag: int) -> str:
    """The VR of a tag by PS3.6; UN for a private or unknown one."""
    return dictionary_VR(tag)[:2] if dictionary_has_tag(tag) else "UN"


def header_at(data: bytes, at: int, syntax: Syntax) -> Header:
    """The header that begins at a byte. Raises ValueError or struct.error where there is none."""
    group, element, written, short = HEADS[syntax.order].unpack_from(data, at)
    tag = group << 16 | element
    if group == ITEM_GROUP or not syntax.explicit:
        (length,) = _LENGTHS[syntax.order].unpack_from(data, at + 4)
        return Header(tag, dictionary_vr(tag), length, at + 8)
    vr = VR_NAMES.get(written)
    if vr is None:
        raise ValueError(f"{written.decode('latin-1')!a} is no VR")
    if vr in _LONG:
        (length,) = _LENGTHS[syntax.order].unpack_from(data, at + 8)
        return Header(tag, vr, length, at + 12)
    return Header(tag, vr, short, at + 8)


def little(vr: str, value: bytes, order: str) -> bytes:
    """A value in little endian, from either order."""
    if order == "<" or vr not in NUMBERS:
        return value
    width = struct.calcsize(NUMBERS[vr][0])
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


def element_bytes(tag: int, vr: str, value: bytes) -> bytes:
    """An element in Explicit VR Little Endian, padded to an even length."""
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB", "UN"} else b" "
    if vr not in _LONG and len(value) > 0xFFFF:
        vr = "UN"  # PS3.5 6.2.2, note 3
    start, width = _start(tag, vr)
    return b"".join((start, len(value).to_bytes(width, "little"), value))


@lru_cache(_REMEMBERED)
def _start(tag: int, vr: str) -> tuple[bytes, int]:
    """What stands before the length of an element, and the bytes that the length takes."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    return (start + bytes(2), 4) if vr in _LONG else (start, 2)
