"""What retention asks of spool and journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from millet.ports.stores import Kept


class SegmentUse(NamedTuple):
    """What the journal knows of a segment; see `core.retention.SegmentFacts`."""

    unfinished: int
    last_utc: datetime | None


class SegmentLog(Protocol):
    """The journal by segments of the spool. Blocks, raises StoreError."""

    def indexed(self) -> Mapping[str, int]:
        """How many bytes of each segment are indexed."""

    def segment_use(self, name: str) -> SegmentUse:
        """Who still needs a segment."""

    def forget_segments(self, names: Iterable[str]) -> None:
        """These segments are no more."""


class SegmentStore(Protocol):
    """The spool by segments. Blocks, raises StoreError."""

    def segments(self) -> Mapping[str, int]:
        """Every segment and its size in bytes."""

    def is_closed(self, name: str, committed: int) -> bool:
        """Whether nothing is appended any more to a segment that is committed up to there."""

    def kept(self, name: str, after: int, upto: int | None) -> Iterator[Kept]:
        """The instances of a segment; see `Spool.kept`."""

    def remove(self, name: str) -> None:
        """Delete a segment."""
