"""Elements of one data set by keyword, each read as far as it can be."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from sys import intern

import numpy as np

from millet.codec import bounds, text
from millet.codec.elements import Raw


class Tags:
    """Raw elements by keyword; each reader returns nothing rather than fail."""

    def __init__(self, found: Mapping[int, Raw], tags: Mapping[str, int]) -> None:
        """Make one of what was found in a data set, and the tags of the keywords that will be asked for."""
        self._found = found
        self._tags = tags

    def raw(self, keyword: str) -> bytes:
        """The value as it stands; nothing where there is none."""
        found = self._found.get(self._tags[keyword])
        return found.value if found else b""

    def text(self, keyword: str) -> str:
        """A text in the instance's character set."""
        return without_nul(text.decode(self.raw(keyword), self.word("SpecificCharacterSet")).value)

    def word(self, keyword: str) -> str:
        """A text in ASCII."""
        return without_nul(self.raw(keyword).decode("ascii", "replace").strip(" \0"))

    def uid(self, keyword: str) -> str:
        """Empty where it is none that we can keep."""
        word = self.word(keyword)
        return word if len(word) <= bounds.LONGEST_UID else ""

    def words(self, keyword: str) -> list[str]:
        """Several of them."""
        return self.word(keyword).split("\\") if self.word(keyword) else []

    def numbers(self, keyword: str, count: int) -> list[float]:
        """Exactly `count` finite decimal numbers, else none."""
        try:
            values = [float(word) for word in self.words(keyword)]
        except ValueError:
            return []
        return values if len(values) == count and all(map(isfinite, values)) else []

    def number(self, keyword: str) -> float | None:
        """A decimal string or a binary float; of several values the first."""
        found = self._found.get(self._tags[keyword])
        if found and found.vr in {"FD", "FL"}:
            kind = np.dtype("<f8" if found.vr == "FD" else "<f4")
            first = found.value[: kind.itemsize].ljust(kind.itemsize, b"\xff")  # cut short, it is no number
            binary = float(np.frombuffer(first, kind)[0])
            return binary if isfinite(binary) else None
        try:
            value = float(self.words(keyword)[0])
        except (ValueError, IndexError):
            return None
        return value if isfinite(value) else None

    def integer(self, keyword: str) -> int | None:
        """An integer string."""
        value = self.number(keyword)
        return None if value is None or int(value) not in bounds.INTEGERS else int(value)

    def whole(self, keyword: str, *, signed: bool = False) -> int | None:
        """A two-byte binary integer, whatever sign its VR claims."""
        raw = self.raw(keyword)
        return int.from_bytes(raw[:2], "little", signed=signed) if len(raw) >= 2 else None


def without_nul(value: str) -> str:
    """What databases take: text ends at a NUL for some, and others refuse it.

    Interned: the slices of a series say the same, and thousands of their headers are in memory at once.
    """
    return intern(value.replace("\0", ""))
