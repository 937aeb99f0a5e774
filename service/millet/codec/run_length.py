"""RLE Lossless (PS3.5 Annex G): a colour frame in run lengths, which every DICOM program reads."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray

RLE = "1.2.840.10008.1.2.5"
_HEADER_BYTES = 64
_MOST_SEGMENTS = 15


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Encode (3, rows, columns) RGB: a segment for each colour, runs ending with their row."""
    segments = [bytes(imagecodecs.packbits_encode(plane, axis=-1)) for plane in picture]
    even = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    starts = [_HEADER_BYTES + sum(len(one) for one in even[:n]) for n in range(len(even))]
    unused = [0] * (_MOST_SEGMENTS - len(even))
    return b"".join((struct.pack("<16I", len(even), *starts, *unused), *even))
