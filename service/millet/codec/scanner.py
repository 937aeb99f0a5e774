"""Which scanner made an instance, as its tags name it (PS3.3 C.7.5.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

from millet.codec.decoders import MALFORMED
from millet.codec.elements import read_file, tag_of
from millet.codec.tags import Tags

LONGEST = 64
"""Characters of each name; what LO may hold (PS3.5 6.2)."""
_TAGS = {word: tag_of(word) for word in ("SpecificCharacterSet", "Manufacturer", "ManufacturerModelName")}


class Scanner(NamedTuple):
    """Names as they are written; empty where nothing is stated."""

    manufacturer: str = ""
    model: str = ""

    @property
    def name(self) -> str:
        """Both, for people."""
        return " ".join(part for part in self if part) or "not stated"


def scanner_of(encoded: bytes) -> Scanner:
    """Read the scanner of an instance, or of as much of it as stands before its pixels."""
    try:
        _, found = read_file(encoded, frozenset(_TAGS.values()), strict=False)
    except MALFORMED:
        return Scanner()
    tags = Tags(found, _TAGS)
    return Scanner(_plain(tags.text("Manufacturer")), _plain(tags.text("ManufacturerModelName")))


def _plain(words: str) -> str:
    """On one line, whatever a sender wrote."""
    printable = "".join(each if each.isprintable() else " " for each in words)
    return re.sub(r" +", " ", printable).strip()[:LONGEST]
