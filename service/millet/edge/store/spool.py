"""The spool: segments of received instances in one folder, a folder below it for each receiver.

Theory of operation. An association borrows a writer, which appends to a segment of its own; when a record is
durable, the instance may be acknowledged. Nobody else is told of it: whoever makes the journal's rows
reads the segments from where he stopped, so that a crash, a restart and a database that is away are the same
case as a busy one. A receiver holds a lock on its folder; the segments of a folder that nobody holds belong
to a receiver that is gone, and any other may read them. Nothing that a sender says is part of a path.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from blake3 import blake3

from millet.edge.store import segment
from millet.edge.store.blocks import LARGE_BYTES, SMALL_BYTES, buffer
from millet.edge.store.disk import sync_folder, told
from millet.edge.store.fresh import Fresh
from millet.edge.store.lock import FolderLock, is_held
from millet.edge.store.record import place
from millet.edge.store.segment import SegmentWriter
from millet.errors import RefusedInstance, StoreError
from millet.ports import Kept, Offer, SpoolWriter, Stored

OUT_OF_RESOURCES = 0xA700
"""DIMSE status "Refused: Out of Resources" (PS3.4 B.2.3)."""
SEGMENT_BYTES = 64 << 20
"""A segment that has grown to this is followed by another."""
LARGE_BUFFERS = 8
LOOK_EVERY_S = 30.0
"""How often is looked for receivers that are gone."""
LET_GO_S = 10.0
"""How long what is in hand may take to become durable, at the end."""
RESTART_S = 10.0
"""How long a start waits for the process before it to let go of the folder."""


class LogSpool:
    """A `Spool` in one folder, which many processes may share. Thread-safe. Raises StoreError."""

    def __init__(
        self,
        root: Path,
        owner: str,
        *,
        reserve_bytes: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        flushed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._root = root
        self._owner = "".join(c if c.isalnum() or c in ".-" else "_" for c in owner)[:60]
        self._reserve_bytes = reserve_bytes
        self._segment_bytes = segment_bytes
        self._flushed = flushed
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        self._in_hand = 0
        """Instances that are becoming durable."""
        self._held: FolderLock | None = None
        self._idle: list[SegmentWriter] = []
        self._buffers: list[memoryview] = []
        self._large = 0
        """Large buffers there are."""
        self._fresh = Fresh()
        self._durable: dict[str, int] = {}
        """Segments of this process that are not wholly journalled, as far as they are durable."""
        self._written: set[str] = set()
        """All segments of this process."""
        self._left: list[str] = []
        self._looked_s = -LOOK_EVERY_S
        self._full: set[str] = set()
        """Those of them that are appended to no more."""
        with told():
            root.mkdir(parents=True, exist_ok=True)

    def hold(self) -> None:
        """Be the receiver of this name. Raises StoreError where another process is."""
        folder = self._root / self._owner
        with told():
            folder.mkdir(exist_ok=True)
            for one in (self._root, self._root.parent):
                sync_folder(one)
        self._held = FolderLock(folder, RESTART_S)

    def let_go(self) -> None:
        """Append no more; what is being written is abandoned.

        Whoever has the folder next reads it to its end once, so what is becoming durable is waited for. Where
        that takes too long, the folder stays held until the process ends.
        """
        with self._lock:
            while self._idle:
                self._idle.pop().close()
            held, self._held = self._held, None
            if held is not None and self._done.wait_for(lambda: not self._in_hand, LET_GO_S):
                held.release()

    def writer(self) -> SpoolWriter:
        """Something to append with; see `ports.Spool`."""
        with self._lock:
            mine = self._idle.pop() if self._idle else None
        return _Writer(self, mine)

    def read(self, path: str, most_bytes: int | None = None) -> bytes:
        """The bytes of a `Stored.path`; see `ports.Spool`."""
        if (here := place(path)) is None:
            raise StoreError("not a path of this store")
        length = here.length if most_bytes is None else min(here.length, most_bytes)
        return segment.read(self._root / here.segment, here.at, length)

    def is_whole(self, path: str, digest: str) -> bool:
        """Whether the bytes of a `Stored.path` are still those of its digest."""
        return blake3(self.read(path)).hexdigest() == digest

    def readable(self) -> Mapping[str, int | None]:
        """Segments with what may be journalled, and up to where; see `ports.Spool`."""
        with self._lock:
            mine = dict(self._durable)
        if self._held and time.monotonic() - self._looked_s > LOOK_EVERY_S:
            self._left = self._left_behind()
            self._looked_s = time.monotonic()
        return {**mine, **{name: None for name in self._left if name not in self._written}}

    def kept(self, name: str, after: int, upto: int | None) -> Iterator[Kept]:
        """The instances of a segment; see `ports.Spool`."""
        return segment.records(self._root / name, name, after, upto, self._fresh)

    def is_anothers(self, path: str) -> bool:
        """Whether a living receiver has it; see `ports.Spool`."""
        here = place(path)
        owner = here.segment.partition("/")[0] if here else self._owner
        with told():
            return owner != self._owner and is_held(self._root / owner)

    def journalled(self, name: str, upto: int) -> None:
        """All of a segment up to there is in the journal."""
        with self._lock:
            if name in self._full and self._durable.get(name) == upto:
                del self._durable[name]
                self._full.discard(name)

    def segments(self) -> Mapping[str, int]:
        """Every segment and its size in bytes."""
        with told():
            return {name: (self._root / name).stat().st_size for name in self._names(self._root.iterdir())}

    def is_closed(self, name: str, committed: int) -> bool:
        """Whether nothing is appended to a segment any more; see `ports.retention.SegmentStore`."""
        if committed >= self._segment_bytes:
            return True
        owner = name.partition("/")[0]
        if owner == self._owner and self._held is not None:
            return name not in self._written
        return not is_held(self._root / owner)

    def remove(self, name: str) -> None:
        """Delete a segment. What is still needed of it is the caller's to know."""
        if place(f"{name}@0+0") is None:
            raise StoreError("not a segment of this store")
        with told():
            (self._root / name).unlink(missing_ok=True)

    def ill(self) -> str:
        """Why nothing can be received now; empty where all is well."""
        short = self.free_bytes() < self._reserve_bytes
        return "less free space than the reserve: instances are refused" if short else ""

    def free_bytes(self) -> int:
        """Space left on the disk."""
        with told():
            return shutil.disk_usage(self._root).free

    def refuse_when_full(self) -> None:
        """Raises RefusedInstance when there is less space than the reserve."""
        if self._reserve_bytes and self.free_bytes() < self._reserve_bytes:
            raise RefusedInstance(OUT_OF_RESOURCES, "the spool has reached its reserve")

    def _left_behind(self) -> list[str]:
        """Segments of receivers that are gone, an earlier life of this one among them."""
        with told():
            folders = [one for one in self._root.iterdir() if one.is_dir()]
        return self._names(one for one in folders if one.name == self._owner or not is_held(one))

    def _names(self, folders: Iterable[Path]) -> list[str]:
        with told():
            return sorted(
                name
                for folder in folders
                if folder.is_dir()
                for name in (f"{folder.name}/{one.name}" for one in folder.iterdir())
                if place(f"{name}@0+0")
            )

    def followed_by(self, writer: SegmentWriter | None) -> SegmentWriter:
        """The writer given while its segment has room, else one with a new segment."""
        if self._held is None:
            raise RefusedInstance(OUT_OF_RESOURCES, "the spool is closed")
        if writer is not None and writer.end < self._segment_bytes:
            return writer
        name = f"{self._owner}/{uuid.uuid4().hex}"
        self._written.add(name)  # before it is there: it must not be taken for one that was left behind
        fresh = SegmentWriter(self._root, name, self._committed, self._fresh, self._flushed)
        self._committed(name, fresh.end)
        if writer is not None:
            self.given_up(writer)
        return fresh

    @contextmanager
    def holding(self) -> Iterator[None]:
        """While an instance becomes durable the folder is not let go. Raises StoreError once it is."""
        with self._lock:
            if self._held is None:
                raise StoreError("the spool is closed")
            self._in_hand += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_hand -= 1
                self._done.notify_all()

    def lend(self, *, is_proven: bool) -> memoryview:
        """A buffer for one association; one of the few large ones if it has sent an instance already.

        Whoever begins instances and does not go on must not have what others need.
        """
        if not is_proven:
            return buffer(SMALL_BYTES)
        with self._lock:
            if self._buffers:
                return self._buffers.pop()
            if self._large == LARGE_BUFFERS:
                return buffer(SMALL_BYTES)
            self._large += 1
        return buffer(LARGE_BYTES)

    def take_back(self, lent: memoryview) -> None:
        """Have a buffer for the next association, if it is a large one."""
        if len(lent) == LARGE_BYTES:
            with self._lock:
                self._buffers.append(lent)

    def given_up(self, writer: SegmentWriter) -> None:
        """Nothing more is appended to the segment of this writer."""
        with self._lock:
            self._full.add(writer.name)
        writer.close()

    def given_back(self, writer: SegmentWriter) -> None:
        """Have the writer for the next association."""
        with self._lock:
            if self._held is not None:
                self._idle.append(writer)
                return
        writer.close()

    def _committed(self, name: str, end: int) -> None:
        self._durable[name] = end


class _Writer:
    """A `SpoolWriter`: one association's, whichever segments it fills."""

    def __init__(self, spool: LogSpool, writer: SegmentWriter | None) -> None:
        self._spool = spool
        self._writer = writer
        self._buffer: memoryview | None = None
        self._is_proven = False
        """Whether an instance of this association came whole."""
        self._begun = False

    def begin(self, offer: Offer, received_utc: datetime) -> None:
        """Begin an instance; see `ports.SpoolWriter`."""
        self._spool.refuse_when_full()
        self._writer = self._spool.followed_by(self._writer)
        self._buffer = self._buffer or self._spool.lend(is_proven=self._is_proven)
        self._begun = True
        self._writer.begin(offer, received_utc, self._buffer)

    def write(self, piece: bytes | memoryview) -> None:
        """Append; see `ports.SpoolWriter`."""
        self._ours().write(piece)

    def commit(self, head: bytes = b"") -> Stored:
        """Make it durable; see `ports.SpoolWriter`."""
        with self._spool.holding():
            stored = self._ours().commit(head)
        self._begun = False
        if not self._is_proven:
            self._is_proven = True
            self._put_back()
        return stored

    def abandon(self) -> None:
        """Drop what was begun; see `ports.SpoolWriter`."""
        if not self._begun or self._writer is None:
            return
        writer, self._begun = self._writer, False
        try:
            writer.abandon()
        except StoreError:  # so that nothing is appended behind what could not be taken back
            self._writer = None
            self._spool.given_up(writer)

    def close(self) -> None:
        """Give the segment to the next one; see `ports.SpoolWriter`."""
        self.abandon()
        self._put_back()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._spool.given_back(writer)

    def _put_back(self) -> None:
        if self._buffer is not None:
            lent, self._buffer = self._buffer, None
            self._spool.take_back(lent)

    def _ours(self) -> SegmentWriter:
        if self._writer is None or not self._begun:
            raise StoreError("no instance was begun")
        return self._writer
