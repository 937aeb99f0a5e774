"""What was just written, so that whoever journals it a moment later need not read it from the disk."""

from __future__ import annotations

from millet.ports import Kept

MOST = 512
"""Records that are remembered, a second of a busy receiver; the others are read from the disk."""


class Fresh:
    """Records that nobody has read yet, by segment and place. Thread-safe, as dicts are."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[tuple[str, int], Kept] = {}

    def add(self, name: str, at: int, kept: Kept) -> None:
        """Remember the record that begins at `at`, while there is room."""
        if len(self._kept) < self._most:
            self._kept[name, at] = kept

    def take(self, name: str, at: int) -> Kept | None:
        """The record that begins at `at`, once; None where it is not remembered."""
        return self._kept.pop((name, at), None)
