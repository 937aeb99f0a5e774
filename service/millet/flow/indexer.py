"""From the spool to the journal: instances that are durable become rows, in batches.

The spool is the queue: how far it is journalled is written in the same transaction as the rows, so that a
crash, a restart and a database that was away all end in reading on from there. Twice is once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from millet.codec import ct
from millet.core.series import SliceHeader
from millet.errors import StoreError
from millet.ports import Entry, InstanceLog, Kept, Policy, Recorded, Site, Spool

BATCH = 128
"""Instances that are journalled in one transaction, at most."""

HEAD_BYTES = 1 << 16
"""Of an instance, read for its header: most have their pixels behind that."""
HEADER_BYTES = 1 << 24
"""Read where that is not enough: all but pixels of whole volumes in one object."""

Judged = Callable[[Site], Policy]
"""What our rules say of what comes from there."""
Noted = Callable[[Entry, Recorded, int | None], None]
"""Told of each journalled instance, and which association of this process brought it; None for none."""


class Indexer:
    """One thread calls `step`."""

    def __init__(self, spool: Spool, log: InstanceLog, judged: Judged, noted: Noted) -> None:
        self._spool = spool
        self._log = log
        self._judged = judged
        self._noted = noted
        self._at: dict[str, int] = {}
        """How far each segment is journalled."""
        self._begun = False
        self._left: set[str] = set()
        """Segments of receivers that are gone that were read to their end."""

    def step(self) -> int:
        """Journal all that is durable now; how many instances. Raises StoreError."""
        if not self._begun:
            self._at = dict(self._log.indexed())
            self._begun = True
        try:
            return sum(self._journal(batch) for batch in _batches(self._unread()))
        except StoreError:
            self._begun = False  # it may be journalled all the same
            self._left.clear()  # what was read of them to their end may not be
            raise

    def _unread(self) -> Iterator[_Found]:
        for name, upto in self._spool.readable().items():
            if name in self._left or self._at.get(name, 0) == upto:
                continue
            for kept in self._spool.kept(name, self._at.get(name, 0), upto):
                yield _Found(name, kept, upto is not None)
            if upto is None:
                self._left.add(name)

    def _journal(self, batch: list[_Found]) -> int:
        read = [(one, entry) for one in batch if (entry := self._entry(one.kept))]
        ends = {one.segment: one.kept.end for one in batch}
        recorded = self._log.record_all([entry for _, entry in read], ends)
        for (one, entry), made in zip(read, recorded, strict=True):
            self._noted(entry, made, one.kept.offer.association if one.is_ours else None)
        for name, end in ends.items():
            self._at[name] = end
            self._spool.journalled(name, end)
        return len(read)

    def _entry(self, kept: Kept) -> Entry | None:
        header = self._header(kept)
        if header is None:
            return None
        policy = self._judged(kept.offer.source)
        return Entry(
            source=kept.offer.source,
            header=header,
            stored=kept.stored,
            received_utc=kept.received_utc,
            urgency=policy.urgency,
            model_title=policy.model_title,
        )

    def _header(self, kept: Kept) -> SliceHeader | None:
        """None where it cannot be read, which it could be when it was acknowledged."""
        try:
            return ct.read_header(self._head(kept))
        except StoreError:
            raise
        except Exception as failure:  # noqa: BLE001 - one instance must not hold up those behind it
            kind = type(failure).__name__  # without its words, which may quote the data set
            logging.getLogger(__name__).error(  # noqa: TRY400 - likewise
                "an instance in the spool cannot be read, its bytes stay there: %s", kind
            )
            return None

    def _head(self, kept: Kept) -> bytes:
        """As much of an instance as its header takes."""
        path = kept.stored.path
        return (
            kept.head
            or ct.head_of(self._spool.read(path, HEAD_BYTES))
            or self._spool.read(path, HEADER_BYTES)
        )


class _Found(NamedTuple):
    segment: str
    kept: Kept
    is_ours: bool


def _batches(found: Iterator[_Found]) -> Iterator[list[_Found]]:
    batch: list[_Found] = []
    for one in found:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
