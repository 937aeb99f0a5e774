"""What a decoder and its owner tell each other: small records over a socket, bytes in shared memory.

The memory is one anonymous file: the code from its beginning, the stored values from `PIXELS_AT`. Pages
that were never written to take none.
"""

from __future__ import annotations

import json
import struct
from typing import NamedTuple

from millet.codec.bounds import MOST_CODE_BYTES
from millet.codec.decoders import Coded
from millet.core.language import Phrase, phrase
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

PIXELS_AT = MOST_CODE_BYTES
MEMORY_BYTES = MOST_CODE_BYTES + (1 << 26)
"""The largest matrix that is decoded has 2^24 pixels of four bytes."""
CPU_S = 10
"""Processor time that one slice may take: the largest JPEG 2000 matrix takes a fifth of it."""
RECORD_BYTES = 512
_REQUEST = struct.Struct("<IIII64s")
_ANSWER = struct.Struct("<64s256s")


class Asked(NamedTuple):
    """A slice to decode, whose code lies in the memory."""

    code_bytes: int
    rows: int
    columns: int
    bits_allocated: int
    transfer_syntax_uid: str


def request(coded: Coded) -> bytes:
    """The record that asks for a slice."""
    syntax = coded.transfer_syntax_uid.encode("ascii")
    return _REQUEST.pack(len(coded.code), coded.rows, coded.columns, coded.bits_allocated, syntax)


def asked(record: bytes) -> Asked:
    """What `request` wrote."""
    code_bytes, rows, columns, bits_allocated, syntax = _REQUEST.unpack(record)
    return Asked(code_bytes, rows, columns, bits_allocated, _text(syntax))


def answer(verdict: UnfitSeries | None) -> bytes:
    """The record that says that the values lie in the memory, or why not."""
    if verdict is None:
        return _ANSWER.pack(b"", b"")
    return _ANSWER.pack(verdict.reason.value.encode(), _packed(verdict.detail).encode("ascii", "replace"))


def answered(record: bytes) -> UnfitSeries | None:
    """What `answer` wrote."""
    reason, detail = map(_text, _ANSWER.unpack(record))
    return UnfitSeries(Reason(reason), _unpacked(detail)) if reason else None


def _packed(detail: str) -> str:
    """A phrase by its key, so that it can still be said in any language."""
    return json.dumps([detail.key, detail.parts]) if isinstance(detail, Phrase) else detail


def _unpacked(packed: str) -> str:
    if not packed.startswith("["):
        return packed
    key, parts = json.loads(packed)
    return phrase(key, **parts)


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("ascii")
