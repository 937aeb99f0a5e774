"""DICOM data elements as bytes: read raw, written raw, never decoded.

Theory of operation. A patient's name is copied from the source into our objects without being
understood: no character set can then block a report, change a byte or put a name into a warning. So
both directions work on encoded elements. `read_elements` walks any uncompressed or deflated transfer
syntax and returns values as they stand, at a cost that `codec.bounds` limits; `dataset` encodes our own
values: ASCII, which is valid in every character set of PS3.3 C.12.1.1.2, or letters that the source's set
has, too (`codec.letters`). An `Encoded` of ours and one of the source are merged as dicts, and
`codec.part10` makes the result a file in Explicit VR Little Endian.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from pydicom.datadict import tag_for_keyword

from millet.codec.bounds import (
    LONGEST_SEQUENCE_BYTES,
    LONGEST_VALUE_BYTES,
    MOST_HEADER_BYTES,
    MOST_INFLATED_BYTES,
    Budget,
    Excessive,
    inflated,
)
from millet.codec.raw import (
    HEADS,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    ITEM_START,
    NUMBERS,
    SHORT_VRS,
    UNDEFINED,
    VR_NAMES,
    Header,
    Syntax,
    dictionary_vr,
    element_bytes,
    header_at,
    little,
)

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
ASCII = "ascii"
_SPELT = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
"""As German is written where there are no umlauts."""


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


def tag_of(keyword: str) -> int:
    """The tag of a dictionary keyword (PS3.6); KeyError for a word that is none."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@cache
def _named(keyword: str) -> tuple[int, str]:
    tag = tag_of(keyword)
    return tag, dictionary_vr(tag)


# --- reading -----------------------------------------------------------------------------------------


def read_elements(
    encoded: bytes, tags: Container[int], stop: int = PIXEL_GROUP, *, strict: bool = True
) -> dict[int, Raw]:
    """The wanted top-level elements below tag `stop` of a DICOM file or a bare data set.

    What is truncated or longer than an honest value is left out. Explicit or implicit VR is told from the
    bytes, since some senders declare the one and write the other.

    Raises:
        ValueError: The bytes are no data set.
        Excessive: Reading them would cost too much; where it is not `strict`, what was read by then is
            returned.
    """
    return read_file(encoded, tags, stop, strict=strict)[1]


def read_file(
    encoded: bytes, tags: Container[int], stop: int = PIXEL_GROUP, *, strict: bool = True
) -> tuple[str, dict[int, Raw]]:
    """The transfer syntax, as `transfer_syntax` reads it, and elements, as `read_elements` does."""
    opened = _opened(encoded, whole=False)
    walk = _Walk(opened.data, opened.syntax)
    try:
        return opened.syntax_uid, walk.elements(opened.start, len(opened.data), tags, stop)[0]
    except Excessive:
        if strict:
            raise
        return opened.syntax_uid, walk.found


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
        ValueError: The bytes are no data set, or reading them would cost too much.
    """
    opened = _opened(encoded, whole=True)
    data, syntax = opened.data, opened.syntax
    at = _Walk(data, syntax).elements(opened.start, len(data), (), PIXEL_DATA)[1]
    if at + 12 > len(data) or (header := header_at(data, at, syntax)).tag != PIXEL_DATA:
        return None
    length = None if header.length == UNDEFINED else header.length
    return PixelElement(opened.syntax_uid, syntax.order, memoryview(data)[header.start :], length, at)


class _Opened(NamedTuple):
    syntax_uid: str
    syntax: Syntax
    data: bytes
    """The bytes given, or the data set alone where it was inflated."""
    start: int
    """Of the data set."""


def _opened(encoded: bytes, *, whole: bool) -> _Opened:
    """The data set behind preamble and meta information, inflated: whole, or what comes before pixels."""
    syntax_uid, start = _meta(encoded)
    data = encoded
    if syntax_uid == DEFLATED:
        most_bytes = MOST_INFLATED_BYTES if whole else MOST_HEADER_BYTES
        data, start = inflated(encoded[start:], most_bytes, whole=whole), 0
    explicit = data[start + 4 : start + 6] in VR_NAMES
    return _Opened(syntax_uid, Syntax(explicit, ">" if syntax_uid == EXPLICIT_BIG else "<"), data, start)


def _meta(encoded: bytes) -> tuple[str, int]:
    """Transfer syntax and where the data set starts; a bare data set is little endian."""
    if encoded[128:132] != b"DICM":
        return IMPLICIT_LITTLE, 0
    syntax = Syntax(explicit=True, order="<")
    meta, end = _Walk(encoded, syntax).elements(132, len(encoded), {0x0002_0010}, 0x0003_0000)
    return (meta[0x0002_0010].ascii if 0x0002_0010 in meta else IMPLICIT_LITTLE), end


class _Walk:
    """One data set being read: each element is paid for, each nesting counted, no part outgrows its whole."""

    def __init__(self, data: bytes, syntax: Syntax, budget: Budget | None = None) -> None:
        self._data = data
        self._syntax = syntax
        self._budget = budget or Budget()
        self.found: dict[int, Raw] = {}
        """What was wanted of the elements that were read last."""

    def elements(
        self, at: int, end: int, tags: Container[int] | None, stop: int
    ) -> tuple[dict[int, Raw], int]:
        """The elements from `at`, wanted ones only, and where reading ended."""
        found = self.found = {}
        pay = self._budget.pay
        while (at := self._short_ones(at, end, tags, stop)) + 8 <= end:
            pay()
            try:
                header = tag, _, length, start = header_at(self._data, at, self._syntax)
                if tag >= stop:
                    return found, start if tag == ITEM_END else at
                wanted = tags is None or tag in tags
                if not wanted and length != UNDEFINED:
                    at = start + length
                    continue
                raw, at = self._value(header, end, wanted=wanted)
            except Excessive:
                raise
            except (struct.error, ValueError):
                break
            if at > end:
                break
            if wanted and raw is not None:
                found[tag] = raw
        return found, min(at, end)

    def _short_ones(self, at: int, end: int, tags: Container[int] | None, stop: int) -> int:
        """Past elements that state their length in two bytes: nine of ten, in half the time."""
        if not self._syntax.explicit:
            return at
        data, order, found, pay = self._data, self._syntax.order, self.found, self._budget.pay
        unpack = HEADS[order].unpack_from
        while at + 8 <= end:
            group, element, written, length = unpack(data, at)
            tag = group << 16 | element
            if tag >= stop or group == ITEM_GROUP or (vr := SHORT_VRS.get(written)) is None:
                break
            pay()
            start, at = at + 8, at + 8 + length
            if at <= end and (tags is None or tag in tags):
                found[tag] = Raw(vr, little(vr, data[start:at], order))
        return at

    def _value(self, header: Header, end: int, *, wanted: bool) -> tuple[Raw | None, int]:
        """One value, None where it is too long to be kept, and where the next element starts."""
        vr = dictionary_vr(header.tag) if header.vr == "UN" else header.vr
        after = header.start + header.length
        if header.length != UNDEFINED and vr != "SQ":
            if header.length > LONGEST_VALUE_BYTES:
                return None, after
            return Raw(vr, little(vr, self._data[header.start : after], self._syntax.order)), after
        end = end if header.length == UNDEFINED else min(after, end)
        inner = self._syntax if header.vr != "UN" else Syntax(explicit=False, order="<")  # PS3.5 6.2.2
        with self._budget.nested():
            value, at = _Walk(self._data, inner, self._budget).items(header.start, end, wanted=wanted)
        return Raw("SQ", value) if len(value) <= LONGEST_SEQUENCE_BYTES else None, at

    def items(self, at: int, end: int, *, wanted: bool) -> tuple[bytes, int]:
        """The items of a sequence, re-encoded in Explicit VR Little Endian where they are wanted."""
        items: list[Encoded] = []
        while at + 8 <= end:
            self._budget.pay()
            header = header_at(self._data, at, self._syntax)
            if header.tag != ITEM:
                at = header.start
                break
            item_end = end if header.length == UNDEFINED else min(header.start + header.length, end)
            elements, at = self.elements(header.start, item_end, None if wanted else (), ITEM)
            items.append(encode_raw(elements))
        return _sequence(items) if wanted else b"", at


# --- writing -----------------------------------------------------------------------------------------


def encode_raw(elements: Mapping[int, Raw]) -> dict[int, bytes]:
    """Elements of a source for one of our objects, their bytes unchanged."""
    return {tag: element_bytes(tag, raw.vr, raw.value) for tag, raw in elements.items()}


def dataset(letters: str = ASCII, /, **values: Value) -> dict[int, bytes]:
    """Encode values by dictionary keyword, text in a codec of `codec.letters`."""
    return {
        tag: element_bytes(tag, vr, _encode(vr, value, letters))
        for (tag, vr), value in ((_named(keyword), value) for keyword, value in values.items())
    }


def element(keyword: str, value: Value, letters: str = ASCII) -> bytes:
    """Encode one value by its dictionary keyword."""
    tag, vr = _named(keyword)
    return element_bytes(tag, vr, _encode(vr, value, letters))


def joined(elements: Encoded) -> Item:
    """A data set: its elements in order of their tags (PS3.5 7.1)."""
    return b"".join(elements[tag] for tag in sorted(elements))


def plain(text: str, letters: str = ASCII) -> str:
    """Text that a codec can write, and that reads the same in every character set but for its letters.

    Letters that it lacks are spelt out where that is customary, else become a question mark.
    """
    if text.isprintable() and not {"\\", "~"}.intersection(text) and _holds(letters, text):
        return text
    return "".join(_letter(c, letters) for c in text).replace("\\", "/")


def _holds(letters: str, text: str) -> bool:
    return text.isascii() or text.encode(letters, "replace").decode(letters) == text


def _letter(letter: str, letters: str) -> str:
    if letter.isascii() or letter.isspace():
        return letter if " " <= letter <= "}" else " " if letter.isspace() else "?"
    if letter.isprintable() and _holds(letters, letter):
        return letter
    return _SPELT.get(letter, "?")


def _encode(vr: str, value: Value, letters: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if vr == "SQ":
        return _sequence(value)  # type: ignore[arg-type]  # the dictionary says that it is items
    if vr in NUMBERS:
        numbers = value if isinstance(value, Sequence) else (value,)
        return struct.pack(f"<{len(numbers)}{NUMBERS[vr]}", *numbers)
    if isinstance(value, str):
        return plain(value, letters).encode(letters)
    if isinstance(value, Sequence):
        return "\\".join(plain(str(part), letters) for part in value).encode(letters)
    return str(value).encode("ascii")


def _sequence(items: Iterable[Encoded | Item]) -> bytes:
    parts: list[bytes] = []
    for item in items:
        encoded = item if isinstance(item, bytes) else joined(item)
        parts += (ITEM_START, len(encoded).to_bytes(4, "little"), encoded)
    return b"".join(parts)
