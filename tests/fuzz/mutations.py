"""Changes to bytes that know a little of what the bytes are: data sets, and PDUs of an association."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

LENGTHS = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFE,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
)
WORDS = (
    b"SQ", b"UN", b"OB", b"PN", b"FD", b"\0\0", b"-1", b"1e308", b"nan", b"\\", b"\x1b$B",
    b"\xff\xd9", b"\xff\xf7",
    b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00", b"\x28\x00\x10\x00",
    b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.4.90", b"DICM",
)  # fmt: skip
Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def _overwrite(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _flip(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _length(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    """A number that looks like a length, wherever: both orders, two bytes and four."""
    form = rng.choice(("<H", ">H", "<I", ">I"))
    width = struct.calcsize(form)
    at = rng.randrange(max(len(data) - width, 1))
    value = rng.choice(LENGTHS) if rng.random() < 0.7 else len(data) + rng.randrange(-9, 9)
    data[at : at + width] = struct.pack(form, value & (256**width - 1))


def _word(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    word, at = rng.choice(WORDS), rng.randrange(len(data))
    data[at : at + (len(word) if rng.random() < 0.7 else 0)] = word


def _cut(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    del data[rng.randrange(1, len(data) + 1) :]


def _delete(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 8, 64))]


def _repeat(rng: random.Random, data: bytearray, _others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data))
    part = bytes(data[at : at + rng.choice((1, 8, 40, 400))])
    data[at:at] = part * rng.choice((1, 2, 30, 2000 if len(part) < 50 else 3))


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = rng.choice(others)
    start = rng.randrange(len(other))
    data[rng.randrange(len(data)) :] = other[start:]


CHANGES: Sequence[Change] = (
    _overwrite,
    _flip,
    _length,
    _length,
    _word,
    _word,
    _cut,
    _delete,
    _repeat,
    _splice,
)


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bytes after a few changes; `others` are what parts may be taken from."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if changed:
            rng.choice(CHANGES)(rng, changed, others)
    return bytes(changed)


def pdus(conversation: bytes) -> list[bytes]:
    """A conversation cut where its PDUs begin; what is left over is the last part."""
    parts, at = [], 0
    while at < len(conversation):
        (length,) = struct.unpack_from(">I", conversation, at + 2) if at + 6 <= len(conversation) else (0,)
        parts.append(conversation[at : at + 6 + length])
        at += 6 + length
    return parts


def mutated_line(rng: random.Random, conversation: bytes, others: Sequence[bytes]) -> list[bytes]:
    """The parts of a conversation in the order in which they are sent, after a few changes.

    PDUs are dropped, doubled, swapped, cut in two, taken from another conversation and changed inside. Most
    keep the first, which asks for the association: without it nothing else is looked at.
    """
    parts = pdus(conversation)
    for _ in range(rng.choice((0, 1, 1, 2))):
        at = rng.randrange(min(1, len(parts) - 1), len(parts))
        match rng.randrange(5):
            case 0:
                parts[at : at + 1] = []
            case 1:
                parts[at:at] = [parts[at]] * rng.choice((1, 2, 50))
            case 2:
                parts.insert(rng.randrange(len(parts) + 1), parts.pop(at))
            case 3:
                parts.insert(at, rng.choice(pdus(rng.choice(others))))
            case _:
                cut = rng.randrange(len(parts[at]) + 1)
                parts[at : at + 1] = [parts[at][:cut], parts[at][cut:]]
        if not parts:
            return [b"\0"]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(min(rng.choice((0, 1, 1, 1)), len(parts) - 1), len(parts))
        if rng.random() < 0.5 and len(parts[at]) > 12:
            parts[at] = _head_changed(rng, parts[at])
        elif parts[at]:
            parts[at] = mutated(rng, parts[at], others)
    return parts


def _head_changed(rng: random.Random, part: bytes) -> bytes:
    """Type, lengths and control bytes: what a reader of PDUs acts on."""
    changed = bytearray(part)
    match rng.randrange(4):
        case 0:
            changed[0] = rng.randrange(10)
        case 1:
            changed[2:6] = struct.pack(
                ">I", rng.choice((*LENGTHS, len(part) - 7, len(part) - 5)) & 0xFFFF_FFFF
            )
        case 2:
            changed[6:10] = struct.pack(
                ">I", rng.choice((*LENGTHS, len(part) - 11, len(part) - 9)) & 0xFFFF_FFFF
            )
        case _:
            changed[rng.choice((10, 11))] = rng.randrange(256)
    return bytes(changed)
