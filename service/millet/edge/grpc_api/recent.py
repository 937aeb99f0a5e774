"""The newest changes of the worklist, read once for all who watch.

A watcher keeps no queue: it remembers how far it has seen and asks for what came after. Whoever keeps up is
answered from what was read last; whoever fell behind, or was away, is answered by the journal, in portions.
So a slow watcher costs nobody anything, two hundred cost one question, and none misses a change.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence

from millet.ports import SeriesKey, SeriesStatus, Worklist

MOST = 2000
"""Changes that are held."""
PORTION = 500
"""Changes that are read from the journal at once, for whoever is behind."""


class Bell:
    """Wakes every watcher; `ring` belongs to the event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake all who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    def waiting(self) -> asyncio.Event:
        """The event that the next ring sets."""
        return self._event


class Recent:
    """What changed last. Belongs to the event loop, but for reading the journal, which is done in threads."""

    def __init__(self, worklist: Worklist) -> None:
        self._worklist = worklist
        self._lines: list[SeriesStatus] = []
        self._since: int | None = None
        """Every change after this revision is held; None before the first look."""
        self._upto = 0
        self.bell = Bell()

    async def look(self) -> None:
        """Read what changed since the last look, and ring where there is anything. Raises StoreError."""
        last = await asyncio.to_thread(self._worklist.revision)
        if self._since is None:
            self._since = self._upto = last
            self.bell.ring()
        if last == self._upto:
            return
        changed = await asyncio.to_thread(self._worklist.changed, self._upto)
        self._upto = max([last, *(line.revision for line in changed)])
        self._hold(changed)
        if changed:
            self.bell.ring()

    async def after(self, revision: int) -> Sequence[SeriesStatus]:
        """What changed after a revision, each series once, oldest change first. Raises StoreError.

        Not all of it, where that is much; never more than there is to one who asks again.
        """
        if self._since is None or revision < self._since:
            return await asyncio.to_thread(self._worklist.changed, revision, PORTION)
        newest = {line.key: line for line in self._lines[self._place(revision) :]}
        return sorted(newest.values(), key=lambda line: line.revision)

    def touches(self, key: SeriesKey, revision: int) -> bool:
        """Whether a series may have changed after a revision."""
        if self._since is None or revision < self._since:
            return True
        return any(line.key == key for line in self._lines[self._place(revision) :])

    def _place(self, revision: int) -> int:
        return bisect_right(self._lines, revision, key=lambda line: line.revision)

    def _hold(self, changed: Sequence[SeriesStatus]) -> None:
        held = [*self._lines, *changed]
        gone = held[:-MOST]
        if gone:
            self._since = gone[-1].revision
        self._lines = held[-MOST:]
