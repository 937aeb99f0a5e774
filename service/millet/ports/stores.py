"""Time, and bytes that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """The only source of time. Only `app.py` owns a real one."""

    def monotonic_s(self) -> float:
        """Seconds for waiting."""

    def utc(self) -> datetime:
        """Timezone-aware UTC for what is written down."""


class Stored(NamedTuple):
    """Bytes that are durable."""

    path: str
    """Where they lie, as the store names it."""
    digest: str
    """In hex, 64 digits: BLAKE3 of what was received, SHA-256 of our objects."""
    size_bytes: int


class Site(NamedTuple):
    """Where an instance came from."""

    site: str
    calling_ae: str
    called_ae: str


class Offer(NamedTuple):
    """An instance that a sender wants to be kept, before its bytes came."""

    source: Site
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    association: int
    """Its number in this process; 0 for what came otherwise."""


class Kept(NamedTuple):
    """An instance in the spool."""

    stored: Stored
    offer: Offer
    received_utc: datetime
    end: int
    """Where the next record of its segment begins."""
    head: bytes = b""
    """What stands before its pixels, where that is at hand."""


class ObjectStore(Protocol):
    """Bytes of ours by their content. Thread-safe."""

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; twice is once. Blocks; raises StoreError."""

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`. Blocks; raises StoreError."""

    def paths(self) -> Sequence[str]:
        """Everything that is stored. Blocks."""

    def remove(self, paths: Iterable[str]) -> None:
        """Delete what lies there; what is gone is nothing to do. Blocks; raises StoreError."""


class SpoolWriter(Protocol):
    """Takes one instance after the other; of one thread. Blocks, raises StoreError."""

    def begin(self, offer: Offer, received_utc: datetime) -> None:
        """Begin an instance. Raises RefusedInstance (0xA700) when the disk is too full for any."""

    def write(self, piece: bytes | memoryview) -> None:
        """Append to what was begun: a DICOM file (PS3.10), piece by piece."""

    def commit(self, head: bytes = b"") -> Stored:
        """Make it durable before returning; `head` stands before its pixels, for who journals it soon."""

    def abandon(self) -> None:
        """Drop what was begun; nothing where nothing was. Does not raise."""

    def close(self) -> None:
        """No more instances come. Does not raise."""


class Spool(Protocol):
    """What was received. Thread-safe. Blocks, raises StoreError."""

    def writer(self) -> SpoolWriter:
        """Something to append with, of one thread."""

    def read(self, path: str, most_bytes: int | None = None) -> bytes:
        """The bytes of a `Stored.path`, a DICOM file; no more than its first so many.

        Raises Removed where they are kept no more, which a store that is away is not.
        """

    def readable(self) -> Mapping[str, int | None]:
        """Segments that may hold what is not journalled, and up to where they are durable.

        None for those of a receiver that is gone: all that is whole in them.
        """

    def kept(self, name: str, after: int, upto: int | None) -> Iterator[Kept]:
        """The instances of a segment, from `after` (0 for the first) on, up to what `readable` said."""

    def is_anothers(self, path: str) -> bool:
        """Whether another receiver, one that lives, received what lies there."""

    def journalled(self, name: str, upto: int) -> None:
        """All of a segment up to there is in the journal."""
