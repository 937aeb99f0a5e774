"""Writing and reading one segment of the spool.

Each writer appends to a segment of its own, so that associations never wait for each other and one flush is
all that an instance costs: half as much again in a second as with a file for each and its folder flushed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from time import perf_counter

from blake3 import blake3

from millet.edge.store import record
from millet.edge.store.blocks import BLOCK, Blocks, buffer, up
from millet.edge.store.disk import sync_folder, told
from millet.edge.store.fresh import Fresh
from millet.errors import Removed, StoreError
from millet.ports import Kept, Offer, Stored

CHECK_BYTES = 1 << 20
"""Read at once when a digest is checked."""


class SegmentWriter:
    """Appends instances; of one thread. Raises StoreError.

    `end` is where the next record begins.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        committed: Callable[[str, int], None],
        fresh: Fresh,
        flushed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.name = name
        self._committed = committed
        self._flushed = flushed
        self._fresh = fresh
        self._nonce = os.urandom(record.NONCE_BYTES)
        path = root / name
        with told():
            self._blocks = Blocks(path)
            self._blocks.begin(0, record.OPENING_BYTES, buffer(BLOCK))
            self.end = self._blocks.end(record.SEGMENT_MAGIC + self._nonce, 0)
            sync_folder(path.parent)
        self._body_at = self.end
        self._facts = b""
        self._offered: tuple[Offer, datetime] | None = None

    def begin(self, offer: Offer, received_utc: datetime, gathered_in: memoryview) -> None:
        """Begin a record, gathered in a buffer of `blocks.buffer` before it is written."""
        self._facts = record.encode_facts(offer, received_utc)
        self._offered = offer, received_utc
        self._blocks.begin(self.end, record.HEAD_BYTES, gathered_in)
        with told():
            self._blocks.append(self._facts)
        self._blocks.begin_digest()
        self._body_at = self._blocks.at

    def write(self, piece: bytes | memoryview) -> None:
        """Append to its body."""
        with told():
            self._blocks.append(piece)

    def commit(self, given: bytes = b"") -> Stored:
        """Make the record durable before returning; remember it with the first bytes that are given."""
        length, digest = self._blocks.at - self._body_at, self._blocks.digest()
        head = record.encode_head(self._nonce, self._facts, length, digest)
        begun, began_s = self.end, perf_counter()
        with told():
            self.end = self._blocks.end(head, begun)
        self._flushed(perf_counter() - began_s)
        stored = Stored(str(record.Place(self.name, self._body_at, length)), digest.hex(), length)
        if given and self._offered:
            self._fresh.add(self.name, begun, Kept(stored, *self._offered, self.end, given))
        self._committed(self.name, self.end)
        return stored

    def abandon(self) -> None:
        """Leave no trace of the record that was begun."""
        with told():
            self._blocks.cut(self.end)

    def close(self) -> None:
        """Append no more."""
        self._blocks.close()


def records(path: Path, name: str, after: int, upto: int | None, fresh: Fresh) -> Iterator[Kept]:
    """The whole records of a segment from `after` on.

    Args:
        path: of the segment.
        name: under which its instances are known.
        after: where to begin, 0 for the first one.
        upto: how much of it is known to be durable; None when its writer is gone: it is made durable now, and
            what a power cut left half written is left out.
        fresh: what need not be read.

    Raises:
        StoreError: the disk failed.
    """
    at = max(after, record.SEGMENT_START)
    while at != upto and (kept := fresh.take(name, at)):
        yield kept
        at = kept.end
    if upto is None or at < upto:
        yield from _read(path, name, at, upto, fresh)


def _read(path: Path, name: str, at: int, upto: int | None, fresh: Fresh) -> Iterator[Kept]:
    with told():
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with told():
            if upto is None:
                os.fsync(file)
            end = os.fstat(file).st_size if upto is None else upto
            opening = os.pread(file, record.OPENING_BYTES, 0)
        nonce = opening[len(record.SEGMENT_MAGIC) :]
        while at < end:
            kept = fresh.take(name, at) or _record(file, nonce, name, at)
            if kept is None or kept.end > end:
                return
            if upto is not None or _whole(file, kept):
                yield kept
            at = kept.end
    finally:
        os.close(file)


def rebuild(path: Path, instances: Iterable[tuple[Kept, bytes]]) -> None:
    """Write a segment of instances that are kept elsewhere, each where its path says, durably.

    Raises StoreError, OSError.
    """
    nonce = os.urandom(record.NONCE_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(record.SEGMENT_MAGIC + nonce)
        for kept, body in instances:
            facts, digest = (
                record.encode_facts(kept.offer, kept.received_utc),
                bytes.fromhex(kept.stored.digest),
            )
            here = record.place(kept.stored.path)
            if here is None or here.length != len(body):
                raise StoreError("an instance is not what its path says")
            file.seek(here.at - len(facts) - record.HEAD_BYTES)
            file.write(record.encode_head(nonce, facts, len(body), digest) + facts + body)
        file.truncate(up(file.tell()))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, at: int, length: int) -> bytes:
    """A body. Raises StoreError, also when it is not all there; Removed where its segment was."""
    with told():
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if not path.parent.is_dir():  # all of the store is away
                raise
            raise Removed("the instance was removed from the spool") from None
        try:
            body = os.pread(file, length, at)
            while 0 < len(body) < length and (more := os.pread(file, length - len(body), at + len(body))):
                body += more
        finally:
            os.close(file)
    if len(body) < length:
        raise StoreError("the spool has lost bytes of an instance")
    return body


def _record(file: int, nonce: bytes, name: str, at: int) -> Kept | None:
    with told():
        encoded = os.pread(file, record.HEAD_BYTES, at)
        head = record.decode_head(encoded, nonce)
        if head is None:
            return None
        facts = os.pread(file, head.facts_bytes, at + record.HEAD_BYTES)
    return record.decode(encoded, head, facts, name, at)


def _whole(file: int, kept: Kept) -> bool:
    here = record.place(kept.stored.path)
    digest, at, end = blake3(), here.at if here else 0, here.at + here.length if here else 0
    with told():
        while at < end:
            piece = os.pread(file, min(CHECK_BYTES, end - at), at)
            if not piece:
                return False
            digest.update(piece)
            at += len(piece)
    return digest.hexdigest() == kept.stored.digest
