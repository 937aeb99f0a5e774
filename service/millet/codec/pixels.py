"""Stored pixel values of one instance, whatever transfer syntax they came in (PS3.5 8.2, Annex A).

The decoders are imagecodecs': they release the interpreter lock, so slices decode side by side.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from millet.codec.elements import PixelElement, pixel_element
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
from millet.errors import UnfitSeries

LARGEST_PIXELS = 4096 * 4096
"""A CT matrix has at most 2048 squared today; what claims more than this is not decoded."""
MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    AttributeError,
    OSError,
    EOFError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""Everything that parsers and decoders raise on damaged bytes (RuntimeError: imagecodecs, recursion)."""

Bits = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_Decoder = Callable[[bytes], NDArray[Any]]
_NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
)
_RLE = "1.2.840.10008.1.2.5"
# HTJ2K goes to OpenJPEG: OpenJPH's binding drops the errors of damaged codestreams and returns rubbish
_DECODERS: dict[str, _Decoder] = {
    "1.2.840.10008.1.2.4.57": imagecodecs.ljpeg_decode,  # JPEG lossless, process 14
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_decode,  # the same, first-order prediction
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.81": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.91": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.201": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.202": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.203": imagecodecs.jpeg2k_decode,
}
TRANSFER_SYNTAXES = (*sorted(_NATIVE), _RLE, *_DECODERS)
"""What can be decoded; the presentation contexts to accept."""

_ITEM, _END = 0xE000, 0xE0DD
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 16
"""Where the end marker is looked for: some encoders pad behind it."""
_SIZE_MARKERS = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xF7))
"""Start of frame of JPEG (T.81 B.2.2) and JPEG-LS (T.87 C.2.2)."""


def stored(encoded: bytes, header: SliceHeader) -> Bits:
    """The stored values of a slice (rows, columns), still as raw bits.

    Raises:
        UnfitSeries: UNSUPPORTED_PIXELS, UNSUPPORTED_TRANSFER_SYNTAX, PIXELS_TRUNCATED or PIXELS_UNREADABLE.
    """
    _check(header)
    try:
        element = pixel_element(encoded)
        if element is None:
            raise UnfitSeries(Reason.PIXELS_TRUNCATED, "no pixel data")
        return _decoded(element, header)
    except MALFORMED as error:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, type(error).__name__) from error


def _check(header: SliceHeader) -> None:
    """Refuse what is no single grey CT slice."""
    if header.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise UnfitSeries(Reason.UNSUPPORTED_TRANSFER_SYNTAX, _safe_uid(header.transfer_syntax_uid))
    if header.samples_per_pixel != 1 or header.frames != 1:
        raise UnfitSeries(
            Reason.UNSUPPORTED_PIXELS, f"{header.samples_per_pixel} samples, {header.frames} frames"
        )
    if header.bits_allocated not in {8, 16, 32} or not 0 < header.bits_stored <= header.bits_allocated:
        raise UnfitSeries(
            Reason.UNSUPPORTED_PIXELS, f"{header.bits_stored} of {header.bits_allocated} bits stored"
        )
    if header.rows < 1 or header.columns < 1 or header.rows * header.columns > LARGEST_PIXELS:
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, f"{header.rows} x {header.columns} pixels")


def _decoded(element: PixelElement, header: SliceHeader) -> Bits:
    syntax = header.transfer_syntax_uid
    if syntax in _NATIVE:
        return _native(element, header)
    whole, code = _fragments(element)
    if syntax == _RLE:
        if not whole:
            raise UnfitSeries(Reason.PIXELS_TRUNCATED, "run-length segments end early")
        return _run_lengths(code, header)
    if not whole or _END_OF_IMAGE not in code[-_TAIL_BYTES:]:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, "the compressed image ends early")
    if _size(code) != (header.rows, header.columns):
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, "the compressed image has another size than its header")
    return _as_bits(_DECODERS[syntax](code), header)


def _native(element: PixelElement, header: SliceHeader) -> Bits:
    needed = header.rows * header.columns * header.bits_allocated // 8
    if element.length is None:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, "fragments in an uncompressed transfer syntax")
    held = min(element.length, len(element.value))
    if held < needed:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, f"{held} of {needed} bytes")
    kind = np.dtype(f"{element.order}u{header.bits_allocated // 8}")
    values = np.frombuffer(element.value[:needed], kind).reshape(header.rows, header.columns)
    return values.astype(kind.newbyteorder("="), copy=False)


def _fragments(element: PixelElement) -> tuple[bool, bytes]:
    """Whether all fragments of the only frame are there, and what they hold (PS3.5 A.4)."""
    if element.length is not None:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, "no fragments in a compressed transfer syntax")
    at = 0
    parts: list[bytes] = []
    while at + 8 <= len(element.value):
        group, item, length = struct.unpack_from("<HHI", element.value, at)
        if (group, item) == (0xFFFE, _END):
            return True, b"".join(parts[1:])
        if (group, item) != (0xFFFE, _ITEM):
            raise UnfitSeries(Reason.PIXELS_UNREADABLE, "a fragment does not begin with an item")
        parts.append(bytes(element.value[at + 8 : at + 8 + length]))
        at += 8 + length
    return False, b"".join(parts[1:])


def _run_lengths(code: bytes, header: SliceHeader) -> Bits:
    """RLE segments, most significant byte first (PS3.5 Annex G)."""
    planar = bytes(imagecodecs.dicomrle_decode(code, f"<u{header.bits_allocated // 8}"))
    needed = header.rows * header.columns * header.bits_allocated // 8
    if len(planar) < needed:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, f"{len(planar)} of {needed} bytes")
    values = np.frombuffer(planar[:needed], f"<u{header.bits_allocated // 8}")
    return values.reshape(header.rows, header.columns)


def _as_bits(decoded: NDArray[Any], header: SliceHeader) -> Bits:
    """What a decoder returned, as unsigned words of the allocated width."""
    if decoded.shape != (header.rows, header.columns):
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, "the compressed image is not grey")
    return decoded.astype(f"u{header.bits_allocated // 8}", copy=False)


def _size(code: bytes) -> tuple[int, int]:
    """Rows and columns as a JPEG family codestream states them, read before anything is allocated."""
    if code[4:8] == b"jP  ":
        code = code[code.index(b"\xff\x4f\xff\x51") :]
    if code[:4] == b"\xff\x4f\xff\x51":  # JPEG 2000: SIZ follows SOC (T.800 A.5.1)
        right, bottom, left, top = struct.unpack_from(">4I", code, 8)
        return bottom - top, right - left
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", code, at)
        if marker & 0xFF in _SIZE_MARKERS:
            rows, columns = struct.unpack_from(">HH", code, at + 5)
            return rows, columns
        at += 2 + length


def _safe_uid(uid: str) -> str:
    """A transfer syntax for a message: UIDs hold no patient data, other bytes might."""
    return uid if set(uid) <= set("0123456789.") else "malformed"
