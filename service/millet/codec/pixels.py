"""Stored pixel values of one instance, whatever transfer syntax they came in (PS3.5 8.2, Annex A).

Uncompressed ones are a view of the bytes. Of compressed ones all that they claim is compared first, then
whoever decodes gets them (`codec.decoders`).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from millet.codec import bounds, decoders
from millet.codec.decoders import MALFORMED, Bits, Coded, Decode
from millet.codec.elements import PixelElement, pixel_element
from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
from millet.errors import UnfitSeries

LARGEST_PIXELS = 4096 * 4096
"""A CT matrix has at most 2048 squared today; what claims more than this is not decoded."""
_NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
)
TRANSFER_SYNTAXES = (*sorted(_NATIVE), decoders.RLE, *decoders.DECODERS)
"""What can be decoded; the presentation contexts to accept."""

_ITEM, _END = 0xE000, 0xE0DD
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 16
"""Where the end marker is looked for: some encoders pad behind it."""
_SIZE_MARKERS = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xF7))
"""Start of frame of JPEG (T.81 B.2.2) and JPEG-LS (T.87 C.2.2)."""


def stored(encoded: bytes, header: SliceHeader, decode: Decode = decoders.decode) -> Bits:
    """The stored values of a slice (rows, columns), still as raw bits.

    Raises:
        UnfitSeries: UNSUPPORTED_PIXELS, UNSUPPORTED_TRANSFER_SYNTAX, PIXELS_TRUNCATED or PIXELS_UNREADABLE.
        StoreError: As `decode` does.
    """
    _check(header)
    try:
        element = pixel_element(encoded)
        if element is None:
            raise UnfitSeries(Reason.PIXELS_TRUNCATED, phrase("pixels.none"))
        if header.transfer_syntax_uid in _NATIVE:
            return _native(element, header)
        coded = _coded(element, header)
    except MALFORMED as error:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, type(error).__name__) from error
    return decode(coded)


def _check(header: SliceHeader) -> None:
    """Refuse what is no single grey CT slice."""
    if header.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise UnfitSeries(Reason.UNSUPPORTED_TRANSFER_SYNTAX, _safe_uid(header.transfer_syntax_uid))
    if header.samples_per_pixel != 1 or header.frames != 1:
        detail = phrase("pixels.samples", samples=header.samples_per_pixel, frames=header.frames)
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, detail)
    if header.bits_allocated not in {8, 16, 32} or not 0 < header.bits_stored <= header.bits_allocated:
        detail = phrase("pixels.bits", stored=header.bits_stored, allocated=header.bits_allocated)
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, detail)
    if header.rows < 1 or header.columns < 1 or header.rows * header.columns > LARGEST_PIXELS:
        detail = phrase("pixels.size", rows=header.rows, columns=header.columns)
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, detail)


def _coded(element: PixelElement, header: SliceHeader) -> Coded:
    """A compressed frame that claims to be whole and of the size and depth that the header claims."""
    syntax = header.transfer_syntax_uid
    whole, code = _fragments(element)
    if syntax == decoders.RLE:
        if not whole:
            raise UnfitSeries(Reason.PIXELS_TRUNCATED, phrase("pixels.rle-short"))
    elif not whole or _END_OF_IMAGE not in code[-_TAIL_BYTES:]:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, phrase("pixels.short"))
    else:
        _compare(_frame(code), header)
    return Coded(syntax, header.rows, header.columns, header.bits_allocated, code, header.series_uid)


def _compare(frame: _Frame, header: SliceHeader) -> None:
    if (frame.rows, frame.columns) != (header.rows, header.columns):
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, phrase("pixels.other-size"))
    if frame.components != 1:
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, phrase("pixels.not-grey"))


def _native(element: PixelElement, header: SliceHeader) -> Bits:
    needed = header.rows * header.columns * header.bits_allocated // 8
    if element.length is None:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, phrase("pixels.fragments"))
    held = min(element.length, len(element.value))
    if held < needed:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, phrase("pixels.bytes", held=held, needed=needed))
    kind = np.dtype(f"{element.order}u{header.bits_allocated // 8}")
    values = np.frombuffer(element.value[:needed], kind).reshape(header.rows, header.columns)
    return values.astype(kind.newbyteorder("="), copy=False)


def _fragments(element: PixelElement) -> tuple[bool, bytes]:
    """Whether all fragments of the only frame are there, and what they hold (PS3.5 A.4)."""
    if element.length is not None:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, phrase("pixels.no-fragments"))
    at = 0
    parts: list[bytes] = []
    while at + 8 <= len(element.value):
        group, item, length = struct.unpack_from("<HHI", element.value, at)
        if (group, item) == (0xFFFE, _END):
            return True, _joined(parts)
        if (group, item) != (0xFFFE, _ITEM):
            raise UnfitSeries(Reason.PIXELS_UNREADABLE, phrase("pixels.no-item"))
        parts.append(bytes(element.value[at + 8 : at + 8 + length]))
        if len(parts) > bounds.MOST_FRAGMENTS:
            raise bounds.Excessive(f"a frame in more than {bounds.MOST_FRAGMENTS} fragments")
        at += 8 + length
    return False, _joined(parts)


def _joined(parts: list[bytes]) -> bytes:
    """Fragments without the offset table that stands before them."""
    code = b"".join(parts[1:])
    if len(code) > bounds.MOST_CODE_BYTES:
        raise bounds.Excessive(f"a compressed frame of more than {bounds.MOST_CODE_BYTES} bytes")
    return code


class _Frame(NamedTuple):
    """What a compressed frame says of itself."""

    rows: int
    columns: int
    components: int


def _frame(code: bytes) -> _Frame:
    """A JPEG family codestream in its own words, read before anything is allocated.

    Raises ValueError or struct.error where it has none.
    """
    if code[4:8] == b"jP  ":
        code = code[code.index(b"\xff\x4f\xff\x51") :]
    if code[:4] == b"\xff\x4f\xff\x51":  # JPEG 2000: SIZ follows SOC (T.800 A.5.1)
        right, bottom, left, top = struct.unpack_from(">4I", code, 8)
        (components,) = struct.unpack_from(">H", code, 40)
        return _Frame(bottom - top, right - left, components)
    at = 2
    for _ in range(bounds.MOST_SEGMENTS):
        marker, length = struct.unpack_from(">HH", code, at)
        if marker >> 8 != 0xFF or length < 2:
            raise ValueError("no marker segment")
        if marker & 0xFF in _SIZE_MARKERS:
            return _Frame(*struct.unpack_from(">HHB", code, at + 5))
        at += 2 + length
    raise bounds.Excessive(f"more than {bounds.MOST_SEGMENTS} marker segments")


def _safe_uid(uid: str) -> str:
    """A transfer syntax for a message: UIDs hold no patient data, other bytes might."""
    return uid if set(uid) <= set("0123456789.") else "malformed"
