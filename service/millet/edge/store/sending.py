"""What one association sends to a bucket: gathered until it is whole, then one object.

A slice is gathered in memory; what is larger goes through a file without a name in this receiver's folder,
which is no durable place, and leaves from there.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol

from blake3 import blake3

from millet.edge.store import parcel
from millet.edge.store.disk import told
from millet.edge.store.record import SEGMENT_START, Place, encode_facts
from millet.errors import StoreError
from millet.ports import Offer, Stored

IN_MEMORY_BYTES = 3 << 20
"""Of one instance: a slice of 1024 squared. Of 64 associations 200 MB at most, where each sends such."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """What one writer after the other adds to; of this process."""

    name: str
    term: int
    """Of the lease, in which it was begun."""
    end: int = SEGMENT_START
    """Where the next record begins."""
    unread: list[Place] = field(default_factory=list)
    """Instances that are not journalled, in their order."""
    indexed: int = SEGMENT_START
    full: bool = False
    """Whether nothing more is added."""

    @property
    def is_done(self) -> bool:
        """Whether nothing will be asked of it any more."""
        return self.full and self.indexed == self.end


class Gathered:
    """What came of one instance, in memory, or in a file without a name in a folder. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = BytesIO()
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes | memoryview) -> None:
        """Some more of it."""
        if self._file is None and self._memory.tell() + len(piece) > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - open until `close`
            self._file.write(self._memory.getbuffer())
            self._memory = BytesIO()
        (self._file or self._memory).write(piece)

    def whole(self) -> memoryview | IO[bytes]:
        """All of it from its beginning, without a copy where it is in memory."""
        if self._file is None:
            return self._memory.getbuffer()
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Forget it."""
        if self._file is not None:
            self._file.close()


class Segments(Protocol):
    """What a writer asks of its spool. Thread-safe. Blocks, raises StoreError."""

    scratch: Path

    def followed_by(self, segment: Segment | None) -> Segment:
        """The segment given while something may be added to it, else a new one."""

    def add(self, segment: Segment, gathered: Gathered, label: parcel.Label, head: bytes) -> None:
        """Make an instance durable, whose object was gathered; `head` is for who journals it soon."""

    def given_up(self, segment: Segment, *, doubtful: bool = False) -> None:
        """Nothing more is added to a segment; `doubtful` where something may yet come to be in it."""

    def given_back(self, segment: Segment) -> None:
        """Have the segment for the next association."""


class BucketWriter:
    """A `SpoolWriter`: one association's, whichever segments it fills."""

    def __init__(self, spool: Segments, segment: Segment | None) -> None:
        self._spool = spool
        self._segment = segment
        self._gathered: Gathered | None = None
        """What was begun."""
        self._facts = b""
        self._length = 0
        self._digest = blake3()

    def begin(self, offer: Offer, received_utc: datetime) -> None:
        """Begin an instance; see `ports.SpoolWriter`."""
        self.abandon()
        segment, self._segment = self._segment, None
        self._segment = self._spool.followed_by(segment)
        self._facts, self._length, self._digest = encode_facts(offer, received_utc), 0, blake3()
        self._gathered = Gathered(self._spool.scratch)

    def write(self, piece: bytes | memoryview) -> None:
        """Append; see `ports.SpoolWriter`."""
        gathered, _ = self._ours()
        with told():
            gathered.write(piece)
        self._digest.update(piece)
        self._length += len(piece)

    def commit(self, head: bytes = b"") -> Stored:
        """Make it durable; see `ports.SpoolWriter`."""
        gathered, segment = self._ours()
        digest = self._digest.digest()
        label = parcel.label(segment.name, segment.end, self._facts, self._length, digest)
        with told():
            gathered.write(label.encoded)
        try:
            self._spool.add(segment, gathered, label, head)
        except StoreError:  # it may be there all the same, or come to be
            self._segment = None
            self._spool.given_up(segment, doubtful=True)
            raise
        finally:
            self.abandon()
        return Stored(str(label.place), digest.hex(), self._length)

    def abandon(self) -> None:
        """Drop what was begun; see `ports.SpoolWriter`."""
        if self._gathered is not None:
            gathered, self._gathered = self._gathered, None
            with suppress(OSError):
                gathered.close()

    def close(self) -> None:
        """Give the segment to the next one; see `ports.SpoolWriter`."""
        self.abandon()
        if self._segment is not None:
            segment, self._segment = self._segment, None
            self._spool.given_back(segment)

    def _ours(self) -> tuple[Gathered, Segment]:
        if self._gathered is None or self._segment is None:
            raise StoreError("no instance was begun")
        return self._gathered, self._segment
