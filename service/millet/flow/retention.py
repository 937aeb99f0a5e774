"""Room is made in the spool from what is done; what is not done is never removed, however full the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from millet.core.retention import SegmentFacts, removable
from millet.ports import Clock
from millet.ports.retention import SegmentLog, SegmentStore

Removed = Callable[[str, int], None]
"""Told the name and the size in bytes of each segment that was removed."""


class Retention:
    """One thread calls `step`."""

    def __init__(
        self, store: SegmentStore, log: SegmentLog, clock: Clock, keep: timedelta, removed: Removed
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._keep = keep
        self._removed = removed

    def step(self) -> int:
        """Remove every segment that may go; how many. Raises StoreError."""
        sizes = self._store.segments()
        gone = removable(self._facts(), self._clock.utc(), self._keep)
        for name in gone:
            self._store.remove(name)
            self._removed(name, sizes.get(name, 0))
        if gone:
            self._log.forget_segments(gone)
        return len(gone)

    def _facts(self) -> Iterator[SegmentFacts]:
        indexed = self._log.indexed()
        for name in self._store.segments():
            committed = indexed.get(name, 0)
            if not self._store.is_closed(name, committed):
                continue
            use = self._log.segment_use(name)
            yield SegmentFacts(
                name=name,
                closed=True,
                indexed=next(self._store.kept(name, committed, None), None) is None,
                unfinished=use.unfinished,
                last_utc=use.last_utc,
            )
