"""One compressed slice to its stored values, by the native decoders of imagecodecs.

This is the code that a hostile slice may crash, so it is kept apart: a process that runs nothing else can
load it in a moment (`edge.decoding`). The decoders release the interpreter lock, so where a process of
their own is not worth it slices decode side by side in threads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

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
"""Everything that parsers and decoders raise on damaged bytes (RuntimeError: imagecodecs)."""

Bits = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
_Decoder = Callable[[bytes], NDArray[Any]]
RLE = "1.2.840.10008.1.2.5"
# HTJ2K goes to OpenJPEG: OpenJPH's binding drops the errors of damaged codestreams and returns rubbish
DECODERS: dict[str, _Decoder] = {
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
"""By transfer syntax, those of the JPEG family."""
_SLACK_BYTES = 4096
"""Run-length segments may be padded; what unpacks to more than the slice and this is none."""


class Coded(NamedTuple):
    """One compressed frame and the matrix that its header claims, which was compared with the code's own."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    bits_allocated: int
    code: bytes
    series_uid: str = ""
    """Whose slice it is."""

    @property
    def kind(self) -> np.dtype[Any]:
        """Of the stored values: unsigned words of the allocated width."""
        return np.dtype(f"u{self.bits_allocated // 8}")

    @property
    def pixel_bytes(self) -> int:
        """What it unpacks to."""
        return self.rows * self.columns * self.kind.itemsize


Decode = Callable[[Coded], Bits]
"""The stored values (rows, columns) of one compressed slice.

Raises UnfitSeries where there are none, StoreError where nobody could look. Thread-safe."""


def decode(coded: Coded) -> Bits:
    """A `Decode` in this process, which a broken decoder takes with it."""
    try:
        return _run_lengths(coded) if coded.transfer_syntax_uid == RLE else _jpeg(coded)
    except MALFORMED as error:
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, type(error).__name__) from error


def _jpeg(coded: Coded) -> Bits:
    decoded = DECODERS[coded.transfer_syntax_uid](coded.code)
    if decoded.shape != (coded.rows, coded.columns):
        raise UnfitSeries(Reason.UNSUPPORTED_PIXELS, phrase("pixels.not-grey"))
    return decoded.astype(coded.kind, copy=False)


def _run_lengths(coded: Coded) -> Bits:
    """RLE segments, most significant byte first (PS3.5 Annex G)."""
    needed, kind = coded.pixel_bytes, coded.kind.newbyteorder("<")
    planar = bytes(imagecodecs.dicomrle_decode(coded.code, kind, out=needed + _SLACK_BYTES))
    if len(planar) < needed:
        raise UnfitSeries(Reason.PIXELS_TRUNCATED, phrase("pixels.bytes", held=len(planar), needed=needed))
    return np.frombuffer(planar[:needed], kind).reshape(coded.rows, coded.columns)
