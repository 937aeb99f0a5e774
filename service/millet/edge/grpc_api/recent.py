"""The newest changes of the worklist, read once and made into messages once, for all who watch.

A watcher keeps no queue: it remembers how far it has seen and asks for what came after. Whoever keeps up is
answered from what was read last; whoever fell behind, or was away, is answered by the journal, in portions.
A line is another one under another revision, so the journal is first asked for revisions alone, which are
quickly told, and for lines only where one of these was not read lately. So a slow watcher costs nobody
anything, two hundred cost one question, and none misses a change.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from millet.edge.grpc_api import listing
from millet.ports import SeriesKey, SeriesStatus, Worklist
from millet.proto.millet.v1 import analysis_service_pb2 as pb

MOST = 2000
"""Changes that are held."""
PORTION = 500
"""Changes that are read from the journal at once, for whoever is behind."""
MOST_KNOWN = 10_000
"""Lines that are kept for those who are behind: some 30 MB."""


class Change(NamedTuple):
    """A line as it stands since a revision, and the message that tells of it."""

    line: SeriesStatus
    message: pb.WatchAnalysesResponse
    """Shared by all who are told: never changed."""

    @classmethod
    def of(cls, line: SeriesStatus) -> Change:
        """Make the message."""
        resume = listing.token("watch", "", line.revision)
        return cls(line, pb.WatchAnalysesResponse(series=listing.status_to_wire(line), resume_token=resume))

    @property
    def revision(self) -> int:
        """Of the change."""
        return self.line.revision


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

    def __init__(self, worklist: Worklist, most_known: int = MOST_KNOWN) -> None:
        self._worklist = worklist
        self._most_known = most_known
        self._changes: list[Change] = []
        self._known: OrderedDict[int, Change] = OrderedDict()
        """By revision, those that were asked for last at the end."""
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
        changed = await asyncio.to_thread(self._changed, self._upto)
        self._upto = max([last, *(one.revision for one in changed)])
        self._hold(changed)
        if changed:
            self.bell.ring()

    async def after(self, revision: int) -> Sequence[Change]:
        """What changed after a revision, each series once, oldest change first. Raises StoreError.

        Not all of it, where that is much; never more than there is to one who asks again.
        """
        if self._since is None or revision < self._since:
            return await self._portion(revision)
        newest = {one.line.key: one for one in self._changes[self._place(revision) :]}
        return sorted(newest.values(), key=lambda one: one.revision)

    def touches(self, key: SeriesKey, revision: int) -> bool:
        """Whether a series may have changed after a revision."""
        if self._since is None or revision < self._since:
            return True
        return any(one.line.key == key for one in self._changes[self._place(revision) :])

    async def _portion(self, after: int) -> Sequence[Change]:
        """What the journal has, told of what is known where that is all of it."""
        revisions = await asyncio.to_thread(self._worklist.revisions, after, PORTION)
        found = [self._known[one] for one in revisions if one in self._known]
        if len(found) < len(revisions):
            found = await asyncio.to_thread(self._changed, after, PORTION)
        for one in found:
            self._known[one.revision] = one
            self._known.move_to_end(one.revision)
        while len(self._known) > self._most_known:
            self._known.popitem(last=False)
        return found

    def _changed(self, after: int, limit: int = 0) -> list[Change]:
        return [Change.of(line) for line in self._worklist.changed(after, limit)]

    def _place(self, revision: int) -> int:
        return bisect_right(self._changes, revision, key=lambda one: one.revision)

    def _hold(self, changed: Sequence[Change]) -> None:
        held = [*self._changes, *changed]
        gone = held[:-MOST]
        if gone:
            self._since = gone[-1].revision
        self._changes = held[-MOST:]
