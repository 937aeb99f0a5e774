"""DICOM data elements as bytes: read raw, written raw, never decoded.

Theory of operation. A patient's name is copied from the source into our objects without being
understood: no character set can then block a report, change a byte or put a name into a warning. So
both directions work on encoded elements. `read_elements` walks any uncompressed or deflated transfer
syntax and returns values as they stand; `dataset` encodes our own values, which are ASCII and so
valid in every character set of PS3.3 C.12.1.1.2; an `Encoded` of ours and one of the source are
merged as dicts, and `part10` makes the result a file in Explicit VR Little Endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword

Encoded = Mapping[int, bytes]
"""Tag to the whole element (header and value), Explicit VR Little Endian."""
Item = bytes
"""A data set whose elements are joined already, to be written as it is."""
Value = str | bytes | int | float | Sequence[str] | Sequence[int] | Sequence[float] | Sequence[Encoded | Item]

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
PIXEL_GROUP = 0x7FE0_0000
PIXEL_DATA = 0x7FE0_0010

_UNDEFINED = 0xFFFF_FFFF
_INFLATED_BYTES = 1 << 30  # a deflated instance is cut here: no small object may fill the memory
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_TEXTS = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"}
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "HH"}
_VRS = _LONG | _TEXTS | set(_NUMBERS)
_HEADS = {order: struct.Struct(f"{order}HH2sH") for order in "<>"}
_LENGTHS = {order: struct.Struct(f"{order}I") for order in "<>"}
_VR_NAMES = {vr.encode("ascii"): vr for vr in _VRS}
_ITEM_START = struct.pack("<HH", 0xFFFE, 0xE000)


class Raw(NamedTuple):
    """One element of a source: its VR and its value as bytes (of a sequence: re-encoded items)."""

    vr: str
    value: bytes

    @property
    def ascii(self) -> str:
        """The value as text, for UIDs, code strings and numbers."""
        return self.value.decode("ascii", "replace").strip(" \0")

    @property
    def number(self) -> int:
        """The value of a US element."""
        return int.from_bytes(self.value[:2], "little")


class _Syntax(NamedTuple):
    explicit: bool
    order: str


class _Header(NamedTuple):
    tag: int
    vr: str
    length: int
    start: int


def tag_of(keyword: str) -> int:
    """The tag of a dictionary keyword (PS3.6); KeyError for a word that is none."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@cache
def _dictionary_vr(tag: int) -> str:
    return dictionary_VR(tag)[:2] if dictionary_has_tag(tag) else "UN"


@cache
def _named(keyword: str) -> tuple[int, str]:
    tag = tag_of(keyword)
    return tag, _dictionary_vr(tag)


# --- reading -----------------------------------------------------------------------------------------


def read_elements(encoded: bytes, tags: Container[int], stop: int = PIXEL_GROUP) -> dict[int, Raw]:
    """The wanted top-level elements below tag `stop` of a DICOM file or a bare data set.

    What is truncated is left out. Explicit or implicit VR is told from the bytes, since some senders
    declare the one and write the other.

    Raises:
        ValueError: The bytes are no data set.
    """
    opened = _opened(encoded)
    try:
        return _elements(opened.data, opened.start, len(opened.data), opened.syntax, tags, stop)[0]
    except RecursionError as error:
        raise ValueError("sequences are nested too deeply") from error


def transfer_syntax(encoded: bytes) -> str:
    """The transfer syntax that the file meta information declares; implicit VR where there is none."""
    return _meta(encoded)[0]


def data_set_start(encoded: bytes) -> int:
    """Where the data set of a DICOM file begins, behind its file meta information; 0 of a bare data set."""
    return _meta(encoded)[1]


class PixelElement(NamedTuple):
    """Pixel Data (7FE0,0010) as it stands in an instance."""

    transfer_syntax_uid: str
    order: str
    """`<` or `>`, as `struct` writes it."""
    value: memoryview
    """From the first byte of the value to the end of the bytes received: fragments where encapsulated."""
    length: int | None
    """As declared; None for undefined, which means encapsulated."""
    at: int
    """Where the element begins: in the instance, or in its data set where that was deflated."""


def pixel_element(encoded: bytes) -> PixelElement | None:
    """Find the pixel data of an instance without copying it; None where there is none.

    Raises:
        ValueError: The bytes are no data set.
    """
    opened = _opened(encoded)
    data, syntax = opened.data, opened.syntax
    at = _elements(data, opened.start, len(data), syntax, (), PIXEL_DATA)[1]
    if at + 12 > len(data) or (header := _header(data, at, syntax)).tag != PIXEL_DATA:
        return None
    length = None if header.length == _UNDEFINED else header.length
    return PixelElement(opened.syntax_uid, syntax.order, memoryview(data)[header.start :], length, at)


class _Opened(NamedTuple):
    syntax_uid: str
    syntax: _Syntax
    data: bytes
    """The bytes given, or the data set alone where it was inflated."""
    start: int
    """Of the data set."""


def _opened(encoded: bytes) -> _Opened:
    """The data set behind preamble and meta information, inflated."""
    syntax_uid, start = _meta(encoded)
    data = encoded
    if syntax_uid == DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded[start:], _INFLATED_BYTES)
        except zlib.error as error:
            raise ValueError("the deflated data set cannot be inflated") from error
        start = 0
    explicit = data[start + 4 : start + 6] in _VR_NAMES
    return _Opened(syntax_uid, _Syntax(explicit, ">" if syntax_uid == EXPLICIT_BIG else "<"), data, start)


def _meta(encoded: bytes) -> tuple[str, int]:
    """Transfer syntax and where the data set starts; a bare data set is little endian."""
    if encoded[128:132] != b"DICM":
        return IMPLICIT_LITTLE, 0
    syntax = _Syntax(explicit=True, order="<")
    meta, end = _elements(encoded, 132, len(encoded), syntax, {0x0002_0010}, 0x0003_0000)
    return (meta[0x0002_0010].ascii if 0x0002_0010 in meta else IMPLICIT_LITTLE), end


def _header(data: bytes, at: int, syntax: _Syntax) -> _Header:
    group, element, written, short = _HEADS[syntax.order].unpack_from(data, at)
    tag = group << 16 | element
    if group == 0xFFFE or not syntax.explicit:
        (length,) = _LENGTHS[syntax.order].unpack_from(data, at + 4)
        return _Header(tag, _dictionary_vr(tag), length, at + 8)
    vr = _VR_NAMES.get(written)
    if vr is None:
        raise ValueError(f"{written.decode('latin-1')!a} is no VR")
    if vr in _LONG:
        (length,) = _LENGTHS[syntax.order].unpack_from(data, at + 8)
        return _Header(tag, vr, length, at + 12)
    return _Header(tag, vr, short, at + 8)


def _elements(
    data: bytes, at: int, end: int, syntax: _Syntax, tags: Container[int] | None, stop: int
) -> tuple[dict[int, Raw], int]:
    """The elements from `at`, wanted ones only, and where reading ended."""
    found: dict[int, Raw] = {}
    while at + 8 <= end:
        try:
            header = tag, _, length, start = _header(data, at, syntax)
            if tag >= stop:
                return found, start if tag == _ITEM_END else at
            wanted = tags is None or tag in tags
            if not wanted and length != _UNDEFINED:
                at = start + length
                continue
            raw, at = _value(data, header, syntax)
        except (struct.error, ValueError):
            break
        if at > end:
            break
        if wanted:
            found[tag] = raw
    return found, min(at, end)


def _value(data: bytes, header: _Header, syntax: _Syntax) -> tuple[Raw, int]:
    """One value, and where the next element starts."""
    vr = _dictionary_vr(header.tag) if header.vr == "UN" else header.vr
    if header.length != _UNDEFINED and vr != "SQ":
        end = header.start + header.length
        return Raw(vr, _little(vr, data[header.start : end], syntax.order)), end
    inner = syntax if header.vr != "UN" else _Syntax(explicit=False, order="<")  # PS3.5 6.2.2
    value, end = _items(data, header.start, header.length, inner)
    return Raw("SQ", value), end


def _items(data: bytes, at: int, length: int, syntax: _Syntax) -> tuple[bytes, int]:
    """The items of a sequence, re-encoded in Explicit VR Little Endian."""
    end = len(data) if length == _UNDEFINED else min(at + length, len(data))
    items: list[Encoded] = []
    while at + 8 <= end:
        header = _header(data, at, syntax)
        if header.tag != _ITEM:
            at = header.start
            break
        whole = header.length != _UNDEFINED
        item_end = min(header.start + header.length, end) if whole else end
        elements, at = _elements(data, header.start, item_end, syntax, None, _ITEM)
        items.append(encode_raw(elements))
    return _sequence(items), at


def _little(vr: str, value: bytes, order: str) -> bytes:
    if order == "<" or vr not in _NUMBERS:
        return value
    width = struct.calcsize(_NUMBERS[vr][0])
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


# --- writing -----------------------------------------------------------------------------------------


def encode_raw(elements: Mapping[int, Raw]) -> dict[int, bytes]:
    """Elements of a source for one of our objects, their bytes unchanged."""
    return {tag: _element(tag, raw.vr, raw.value) for tag, raw in elements.items()}


def dataset(**values: Value) -> dict[int, bytes]:
    """Encode values by dictionary keyword; text is ASCII, what is not becomes a question mark."""
    return {
        tag: _element(tag, vr, _encode(vr, value))
        for (tag, vr), value in ((_named(keyword), value) for keyword, value in values.items())
    }


def element(keyword: str, value: Value) -> bytes:
    """Encode one value by its dictionary keyword."""
    tag, vr = _named(keyword)
    return _element(tag, vr, _encode(vr, value))


def joined(elements: Encoded) -> Item:
    """A data set: its elements in order of their tags (PS3.5 7.1)."""
    return b"".join(elements[tag] for tag in sorted(elements))


def plain(text: str) -> str:
    """Text that reads the same in every character set of DICOM: printable ASCII, no backslash."""
    printable = "".join(c if " " <= c <= "}" else " " if c.isspace() else "?" for c in text)
    return printable.replace("\\", "/")


def _encode(vr: str, value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if vr == "SQ":
        return _sequence(value)  # type: ignore[arg-type]  # the dictionary says that it is items
    if vr in _NUMBERS:
        numbers = value if isinstance(value, Sequence) else (value,)
        return struct.pack(f"<{len(numbers)}{_NUMBERS[vr]}", *numbers)
    if isinstance(value, str):
        return plain(value).encode("ascii")
    if isinstance(value, Sequence):
        return "\\".join(plain(str(part)) for part in value).encode("ascii")
    return str(value).encode("ascii")


def _sequence(items: Iterable[Encoded | Item]) -> bytes:
    parts: list[bytes] = []
    for item in items:
        encoded = item if isinstance(item, bytes) else joined(item)
        parts += (_ITEM_START, len(encoded).to_bytes(4, "little"), encoded)
    return b"".join(parts)


def _element(tag: int, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB", "UN"} else b" "
    if vr not in _LONG and len(value) > 0xFFFF:
        vr = "UN"  # PS3.5 6.2.2, note 3
    start, width = _start(tag, vr)
    return b"".join((start, len(value).to_bytes(width, "little"), value))


@cache
def _start(tag: int, vr: str) -> tuple[bytes, int]:
    """What stands before the length of an element, and the bytes that the length takes."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    return (start + bytes(2), 4) if vr in _LONG else (start, 2)
