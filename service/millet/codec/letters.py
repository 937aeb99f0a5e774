"""What our own words can be written in beside a source's text, without a byte of it being touched.

Patient and study are copied as they stand, in the character set that the source declares (PS3.3 C.12.1.1.2),
and an object has but one. So our letters are those of that set where it has them. Where the source wrote
nothing but ASCII, which reads the same in both, they are Latin-1's, which old viewers know, too. Else they
are ASCII, with umlauts spelt out: rather "ungeprueft" than somebody's name in other letters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from millet.codec.elements import ASCII, Encoded, tag_of
from millet.codec.raw import Syntax, header_at
from millet.codec.text import codec_of

_TEXTS = frozenset({"SH", "LO", "ST", "LT", "UC", "UT", "PN", "UN"})
_SYNTAX = Syntax(explicit=True, order="<")
_CHARACTER_SET = tag_of("SpecificCharacterSet")


class Letters(NamedTuple):
    """How our words are written."""

    codec: str
    """As `elements.dataset` takes it."""
    declared: str
    """Specific Character Set to be declared; empty where the source's stays."""


def letters_of(inherited: Encoded) -> Letters:
    """The letters of an object that has these elements (Explicit VR Little Endian) of its source."""
    terms = inherited.get(_CHARACTER_SET, b"")[8:].decode("ascii", "replace")
    if all(map(_plain, inherited.values())):
        return Letters("latin_1", "ISO_IR 100")
    return Letters(codec_of(terms) or ASCII, "")


def _plain(element: bytes) -> bool:
    """Whether an element's text is the same in every character set."""
    header = header_at(element, 0, _SYNTAX)
    value = element[header.start :]
    if header.vr == "SQ":
        return all(_plain(inner) for item in _parts(value) for inner in _parts(item[8:]))
    return header.vr not in _TEXTS or (value.isascii() and b"\x1b" not in value)


def _parts(data: bytes) -> Iterable[bytes]:
    """Items of a sequence, or elements of an item, one after the other."""
    at = 0
    while at < len(data):
        header = header_at(data, at, _SYNTAX)
        end = header.start + header.length
        yield data[at:end]
        at = end
