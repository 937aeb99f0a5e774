"""One record of a spool segment: who sent which instance, and its bytes.

    segment   MILLETS1 | nonce (16)
    record    MILLETR1 | nonce (16) | length of facts u32 | length of body u64 | BLAKE3 of body (32) | CRC-32
              facts (JSON) | body (a DICOM file, PS3.10) | zeros up to the next block

The nonce is the segment's own: bytes that a sender sent cannot pass for a record. The first line of a record
is written last, so that a record is whole or not there; whether its body is, too, the digest says.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from datetime import datetime
from typing import NamedTuple

from millet.edge.store.blocks import BLOCK, up
from millet.ports import Kept, Offer, Site, Stored

SEGMENT_MAGIC = b"MILLETS1"
RECORD_MAGIC = b"MILLETR1"
NONCE_BYTES = 16
OPENING_BYTES = len(SEGMENT_MAGIC) + NONCE_BYTES
SEGMENT_START = BLOCK
"""Where the first record of a segment begins."""
MOST_FACTS_BYTES = 65_536
_HEAD = struct.Struct("<8s16sIQ32s")
_CHECK = struct.Struct("<I")
HEAD_BYTES = _HEAD.size + _CHECK.size
_JSON = json.JSONEncoder(separators=(",", ":"))
_PATH = re.compile(r"(?P<segment>[\w.-]{1,80}/[0-9a-f]{32})@(?P<at>\d{1,19})\+(?P<length>\d{1,19})")


class Place(NamedTuple):
    """Where a body lies."""

    segment: str
    at: int
    length: int

    def __str__(self) -> str:
        return f"{self.segment}@{self.at}+{self.length}"


class Head(NamedTuple):
    """The first line of a record."""

    facts_bytes: int
    body_bytes: int
    digest: bytes
    check: int


def place(path: str) -> Place | None:
    """Read a `Stored.path`; None for what is none."""
    found = _PATH.fullmatch(path)
    return Place(found["segment"], int(found["at"]), int(found["length"])) if found else None


def encode_facts(offer: Offer, received_utc: datetime) -> bytes:
    """What the journal's row is made of, besides the body."""
    facts = {
        "site": offer.source.site,
        "calling_ae": offer.source.calling_ae,
        "called_ae": offer.source.called_ae,
        "sop_class_uid": offer.sop_class_uid,
        "sop_instance_uid": offer.sop_instance_uid,
        "transfer_syntax_uid": offer.transfer_syntax_uid,
        "association": offer.association,
        "received_utc": received_utc.isoformat(),
    }
    return _JSON.encode(facts).encode()


def encode_head(nonce: bytes, facts: bytes, body_bytes: int, digest: bytes) -> bytes:
    """The first line of a record, which says that it is whole."""
    head = _HEAD.pack(RECORD_MAGIC, nonce, len(facts), body_bytes, digest)
    return head + _CHECK.pack(zlib.crc32(facts, zlib.crc32(head)))


def decode_head(encoded: bytes, nonce: bytes) -> Head | None:
    """Read the first line of a record; None where there is none of this segment."""
    if len(encoded) < HEAD_BYTES:
        return None
    magic, written, facts_bytes, body_bytes, digest = _HEAD.unpack_from(encoded)
    if magic != RECORD_MAGIC or written != nonce or facts_bytes > MOST_FACTS_BYTES:
        return None
    return Head(facts_bytes, body_bytes, digest, _CHECK.unpack_from(encoded, _HEAD.size)[0])


def decode(encoded_head: bytes, head: Head, facts: bytes, segment: str, at: int) -> Kept | None:
    """The record that begins at `at`; None where its facts are not those that were written."""
    if zlib.crc32(facts, zlib.crc32(encoded_head[: _HEAD.size])) != head.check:
        return None
    told = json.loads(facts)
    body_at = at + HEAD_BYTES + head.facts_bytes
    return Kept(
        stored=Stored(str(Place(segment, body_at, head.body_bytes)), head.digest.hex(), head.body_bytes),
        offer=Offer(
            source=Site(told["site"], told["calling_ae"], told["called_ae"]),
            sop_class_uid=told["sop_class_uid"],
            sop_instance_uid=told["sop_instance_uid"],
            transfer_syntax_uid=told["transfer_syntax_uid"],
            association=told["association"],
        ),
        received_utc=datetime.fromisoformat(told["received_utc"]),
        end=up(body_at + head.body_bytes),
    )
