"""What one instance may cost to be read, whatever its bytes say.

A length, a count or a depth that a sender wrote is a claim. Nothing is allocated, repeated or nested on a
claim alone: an honest instance stays far below these bounds, and one above them ends in a plain error that
quotes nothing of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

MOST_NESTED = 64
"""Sequences within sequences; measured reports nest some ten deep."""
MOST_ELEMENTS = 150_000
"""Elements and items that are looked at in one data set, some 3 us each: a CT slice has 150, an Enhanced CT
of 2,000 frames 120,000, and few that have to be looked at where its sequences state their lengths."""
LONGEST_VALUE_BYTES = 65_536
"""A value that is to be kept; what an element with a length of two bytes can hold (PS3.5 7.1.2)."""
LONGEST_SEQUENCE_BYTES = 1 << 20
"""A sequence that is to be kept, re-encoded."""
MOST_HEADER_BYTES = 1 << 25
"""Inflated for the elements before the pixels."""
MOST_INFLATED_BYTES = 1 << 27
"""Inflated for the pixels too: the largest matrix that is decoded takes half of it."""
MOST_CODE_BYTES = 1 << 27
"""Of one compressed frame, twice the largest matrix."""
MOST_FRAGMENTS = 65_536
"""Of one compressed frame; encoders write one, or one each few kilobytes."""
LONGEST_UID = 128
"""Characters; 64 by PS3.5 9.1, and some senders write a few more."""
FARTHEST_MM = 10_000.0
"""From the origin: no table is longer. Work is done per millimetre between the outermost slices."""
LARGEST_SIDE_MM = 3000.0
"""Of a slice; the widest bore is a third of it. Work is done per square millimetre."""
SMALLEST_PIXEL_MM = 0.01
INTEGERS = range(-(2**31), 2**31)
"""What an integer string may say (PS3.5 6.2)."""
MOST_SEGMENTS = 4096
"""Marker segments in front of a JPEG frame header."""


class Excessive(ValueError):  # noqa: N818 - named for what the bytes are
    """Bytes that would cost more to read than any honest instance does."""


class Budget:
    """What is left to look at in one data set."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.left = MOST_ELEMENTS
        self.depth = 0

    def pay(self) -> None:
        """For one element or item. Raises Excessive."""
        self.left -= 1
        if self.left < 0:
            raise Excessive(f"the data set has more than {MOST_ELEMENTS} elements")

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One sequence within what is being read. Raises Excessive."""
        if self.depth == MOST_NESTED:
            raise Excessive(f"sequences are nested more than {MOST_NESTED} deep")
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


def inflated(deflated: bytes, most_bytes: int, *, whole: bool) -> bytes:
    """A deflated data set (PS3.5 A.5, RFC 1951), or as much of its beginning as is wanted.

    Raises:
        ValueError: The bytes do not inflate.
        Excessive: It is wanted whole and larger than `most_bytes`.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(deflated, most_bytes + 1)
    except zlib.error as error:
        raise ValueError("the deflated data set cannot be inflated") from error
    if whole and len(data) > most_bytes:
        raise Excessive(f"the deflated data set holds more than {most_bytes} bytes")
    return data[:most_bytes] if len(data) > most_bytes else data
