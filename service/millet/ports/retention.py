"""What retention asks of spool, object store and journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from millet.core.retention import AnalysisFacts
from millet.ports.stores import Kept, Spool


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


class LargeObject(NamedTuple):
    """An object of a kind that is in `core.retention.LARGE`."""

    kind: str
    path: str
    """Of its `Stored`."""


class MadeLog(Protocol):
    """The journal by the large objects of analyses. Blocks, raises StoreError."""

    def large_kept(self) -> Iterable[AnalysisFacts]:
        """Every analysis of which there are some."""

    def large_objects(self, analysis_id: int) -> Sequence[LargeObject]:
        """Those of an analysis that are there."""

    def forget_large(self, analysis_id: int) -> Sequence[str]:
        """They are no more: the kind of each that was there until now. Of several who say so, one is told."""


class ReceiverSpool(Spool, SegmentStore, Protocol):
    """The spool as whoever may be a receiver has it. Blocks, raises StoreError."""

    def hold(self) -> None:
        """Be the receiver of this name. Raises StoreError where another process is."""

    def let_go(self) -> None:
        """Append no more; what is being written is abandoned."""

    def ill(self) -> str:
        """Why nothing can be received now; empty where all is well."""

    def free_bytes(self) -> float:
        """Room that is left; infinite where no end of it is known."""

    def is_whole(self, path: str, digest: str) -> bool:
        """Whether the bytes of a `Stored.path` are still those of its digest."""
