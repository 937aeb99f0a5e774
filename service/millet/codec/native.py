"""One of our own compressed objects with its pixels uncompressed, for archives that take no others."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from millet.codec.elements import (
    PIXEL_DATA,
    PixelElement,
    Raw,
    data_set_start,
    pixel_element,
    read_elements,
    tag_of,
)
from millet.codec.identifiers import names_of
from millet.codec.labelmap import JPEG_LS
from millet.codec.part10 import EXPLICIT_LITTLE, preface
from millet.codec.raw import ITEM, element_bytes
from millet.codec.run_length import RLE

_MATRIX = {tag_of(word): word for word in ("SamplesPerPixel", "Rows", "Columns", "BitsAllocated")}
_HEADER_BYTES = 8


def native(encoded: bytes) -> bytes:
    """A DICOM file of ours in Explicit VR Little Endian, its values unchanged; itself if it is so already.

    Raises:
        ValueError: The pixels are compressed in a way that is none of ours.
    """
    element = pixel_element(encoded)
    if element is None or element.length is not None:
        return encoded
    names = names_of(encoded)
    matrix = {_MATRIX[tag]: raw for tag, raw in read_elements(encoded, _MATRIX).items()}
    pixels = b"".join(_frame(code, element.transfer_syntax_uid, matrix) for code in _codes(element))
    vr = "OB" if matrix["BitsAllocated"].number == 8 else "OW"
    return b"".join(
        (
            preface(
                sop_class_uid=names.sop_class_uid,
                sop_instance_uid=names.sop_instance_uid,
                transfer_syntax_uid=EXPLICIT_LITTLE,
            ),
            encoded[data_set_start(encoded) : element.at],
            element_bytes(PIXEL_DATA, vr, pixels),
        )
    )


def _codes(element: PixelElement) -> Iterator[bytes]:
    """The frames, one fragment each, behind the offset table (`part10.encapsulated`)."""
    at, number = 0, 0
    while at + _HEADER_BYTES <= len(element.value):
        group, item, length = struct.unpack_from("<HHI", element.value, at)
        if group << 16 | item != ITEM:
            return
        at += _HEADER_BYTES + length
        if number:
            yield bytes(element.value[at - length : at])
        number += 1


def _frame(code: bytes, transfer_syntax_uid: str, matrix: dict[str, Raw]) -> bytes:
    rows, columns, samples = (matrix[word].number for word in ("Rows", "Columns", "SamplesPerPixel"))
    if transfer_syntax_uid == JPEG_LS:
        grey: NDArray[np.uint8 | np.uint16] = imagecodecs.jpegls_decode(code)
        return grey.tobytes()
    if transfer_syntax_uid != RLE:
        raise ValueError(f"pixels in {transfer_syntax_uid} are none of ours")
    planes = np.frombuffer(imagecodecs.dicomrle_decode(code, np.dtype(np.uint8)), np.uint8)
    return planes.reshape(samples, rows, columns).transpose(1, 2, 0).tobytes()
