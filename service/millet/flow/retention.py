"""Room is made from what is done, in the spool and among the objects that we made.

What is not done is never removed, however full the disk. Bytes go first and are forgotten then: after a crash
in between they are removed once more, which is nothing to do, and forgotten. Nobody reads them meanwhile, and
what is done once stays so. Several processes may do the same at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from millet.core.retention import SegmentFacts, removable, spent
from millet.ports import Clock, ObjectStore
from millet.ports.retention import MadeLog, SegmentLog, SegmentStore

Removed = Callable[[str, int], None]
"""Told the name and the size in bytes of each segment that was removed."""
RemovedObjects = Callable[[Sequence[str]], None]
"""Told the kinds of the objects of one analysis that were removed."""
AT_ONCE = 500
"""Analyses of one step: where much is to go, it goes bit by bit."""


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
        gone = removable(self._facts(sizes), self._clock.utc(), self._keep)
        for name in gone:
            self._store.remove(name)
            self._removed(name, sizes.get(name, 0))
        if gone:
            self._log.forget_segments(gone)
        return len(gone)

    def _facts(self, names: Iterable[str]) -> Iterator[SegmentFacts]:
        indexed = self._log.indexed()
        for name in names:
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


class ObjectRetention:
    """One thread calls `step`."""

    def __init__(
        self, store: ObjectStore, log: MadeLog, clock: Clock, keep: timedelta, removed: RemovedObjects
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._keep = keep
        self._removed = removed

    def step(self) -> int:
        """Remove the large objects of analyses that need them no more; of how many. Raises StoreError."""
        gone = spent(self._log.large_kept(), self._clock.utc(), self._keep)[:AT_ONCE]
        for analysis_id in gone:
            self._store.remove(one.path for one in self._log.large_objects(analysis_id))
            if kinds := self._log.forget_large(analysis_id):
                self._removed(kinds)
        return len(gone)
