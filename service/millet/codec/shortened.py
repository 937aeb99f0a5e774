"""An instance without its pixels: all that reports need of it, in a hundredth of its bytes."""

from __future__ import annotations

from millet.codec.decoders import MALFORMED
from millet.codec.elements import DEFLATED, pixel_element


def without_pixels(encoded: bytes) -> bytes:
    """The bytes of an instance up to Pixel Data (7FE0,0010): a DICOM file that ends early.

    Header, source, SR and SEG read from it are those of the whole instance. What cannot be cut is
    returned whole: a deflated data set, one without pixel data, and bytes that are no data set.
    """
    try:
        found = pixel_element(encoded)
    except MALFORMED:
        return encoded
    if found is None or found.transfer_syntax_uid == DEFLATED:
        return encoded
    return encoded[: found.at]
