"""One instance as one object of a bucket, and where it stands in its segment.

    object    body (a DICOM file, PS3.10) | facts (JSON) | the first line of a record, as in `record`

A segment of a bucket is numbered in bytes as if it were a file: each object is named after the place where
its body would lie in it. So paths, how far a segment is journalled, and a backup are the same for both. The
body comes first: its header is read from the beginning of the object, wherever that would lie in a segment.
"""

from __future__ import annotations

from typing import NamedTuple

from millet.edge.store import record
from millet.edge.store.blocks import up
from millet.edge.store.record import HEAD_BYTES, Place
from millet.ports import Kept

FOLDER = "spool/"
LAST_BYTES = (2048, HEAD_BYTES + record.MOST_FACTS_BYTES)
"""Read from the end of an object: facts are some 300 bytes, and seldom more."""


class Label(NamedTuple):
    """What comes behind a body, and where its record begins and the next one may."""

    encoded: bytes
    place: Place
    end: int


def label(segment: str, start: int, facts: bytes, body_bytes: int, digest: bytes) -> Label:
    """For an instance whose record begins at `start` of its segment."""
    place = Place(segment, start + HEAD_BYTES + len(facts), body_bytes)
    head = record.encode_head(_nonce(segment), facts, body_bytes, digest)
    return Label(facts + head, place, up(place.at + body_bytes))


def key(segment: str, at: int) -> str:
    """Of the object whose body lies at `at` of a segment."""
    return f"{FOLDER}{segment}/{at:019d}"


def at(key: str) -> int:
    """Where the body of an object lies in its segment; below 0 for what is no object of ours."""
    last = key.rpartition("/")[2]
    return int(last) if last.isdecimal() else -1


def decode(segment: str, body_at: int, last: bytes) -> Kept | None:
    """Read the end of an object; None where it holds no whole label of this segment."""
    line = last[-HEAD_BYTES:]
    head = record.decode_head(line, _nonce(segment))
    if head is None or len(last) < HEAD_BYTES + head.facts_bytes:
        return None
    facts = last[len(last) - HEAD_BYTES - head.facts_bytes : -HEAD_BYTES]
    return record.decode(line, head, facts, segment, body_at - HEAD_BYTES - head.facts_bytes)


def _nonce(segment: str) -> bytes:
    """The segment's own name: what a sender sent cannot pass for a label, since that comes last."""
    return bytes.fromhex(segment.rpartition("/")[2])
