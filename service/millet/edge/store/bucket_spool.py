"""The spool in a bucket: an object for each instance, in segments that are numbered like files.

Theory of operation. As in `spool`, an association borrows a segment of its own and an instance may be
acknowledged when its object is there; nothing is sent before it is whole, so that an aborted one leaves
nothing. A name is never written twice: after a write of unknown end the segment is given up, since what
was sent may still arrive. For each segment that may hold what is not journalled there is an empty object
below `open/`, written before its first instance and removed when all of it is journalled: what a receiver
left is found without looking through all that was ever received. Who is gone, `lease` tells.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from millet.edge.store import parcel
from millet.edge.store.bucket import Bucket
from millet.edge.store.disk import told
from millet.edge.store.fresh import Fresh
from millet.edge.store.lease import TIMES, Lease, Times, Watch, boot_s
from millet.edge.store.record import HEAD_BYTES as RECORD_HEAD_BYTES
from millet.edge.store.record import encode_facts, place
from millet.edge.store.sending import BucketWriter, Gathered, Segment
from millet.errors import RefusedInstance, StoreError
from millet.ports import Kept, SpoolWriter

OUT_OF_RESOURCES = 0xA700
"""DIMSE status "Refused: Out of Resources" (PS3.4 B.2.3)."""
SEGMENT_BYTES = 64 << 20
"""A segment that has grown to this is followed by another: one row of the journal for so much."""
OPEN = "open/"


class BucketSpool:
    """A `Spool` in a bucket, which many processes share. Thread-safe. Raises StoreError."""

    def __init__(
        self,
        bucket: Bucket,
        owner: str,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        times: Times = TIMES,
    ) -> None:
        """Make one; `folder` is this receiver's own, for a lock and for instances too large for memory."""
        self._bucket = bucket
        self._brisk = bucket.brisk()
        self._owner = "".join(c if c.isalnum() or c in ".-" else "_" for c in owner)[:60]
        self.scratch = folder / self._owner
        self._segment_bytes = segment_bytes
        self._times = times
        self._watch = Watch(self._brisk, times)
        self._lease: Lease | None = None
        self._lock = threading.Lock()
        self._idle: list[Segment] = []
        self._mine: dict[str, Segment] = {}
        """Segments of this process with anything that is not journalled, or that may still grow."""
        self._written: set[str] = set()
        """All segments of this process."""
        self._doubtful: set[str] = set()
        """Those of them in which something may come to be that was not acknowledged: the next life looks."""
        self._fresh = Fresh()
        self._left: list[str] = []
        self._looked_s = -math.inf
        self._read_to: dict[str, int] = {}
        """Where segments that others left were found to end."""

    def hold(self) -> None:
        """Be the receiver of this name. Raises StoreError where another process is."""
        self._bucket.check()
        lease = Lease(self._brisk, self._owner, self.scratch, self._times)
        lease.hold()
        self._lease = lease

    def let_go(self) -> None:
        """Append no more; what is being written is abandoned."""
        with self._lock:
            lease, self._lease = self._lease, None
            done = [one.name for one in self._mine.values() if one.indexed == one.end]
            self._idle.clear()
        if lease is not None:
            self._close(*done)
            lease.release()

    def ill(self) -> str:
        """Why nothing can be received now; empty where all is well, or nothing is to be."""
        return self._lease.ill() if self._lease is not None else ""

    def free_bytes(self) -> float:
        """A bucket has no end that we know of."""
        return math.inf

    def writer(self) -> SpoolWriter:
        """Something to append with; see `ports.Spool`."""
        with self._lock:
            mine = self._idle.pop() if self._idle else None
        return BucketWriter(self, mine)

    def read(self, path: str, most_bytes: int | None = None) -> bytes:
        """The bytes of a `Stored.path`; see `ports.Spool`."""
        if (here := place(path)) is None:
            raise StoreError("not a path of this store")
        length = here.length if most_bytes is None else min(here.length, most_bytes)
        body = self._bucket.first(parcel.key(here.segment, here.at), length)
        if len(body) < length:
            raise StoreError("the bucket has lost bytes of an instance")
        return body

    def is_whole(self, path: str, digest: str) -> bool:
        """Whether the bytes of a `Stored.path` are still those of its digest."""
        return blake3(self.read(path)).hexdigest() == digest

    def readable(self) -> Mapping[str, int | None]:
        """Segments with what may be journalled, and up to where; see `ports.Spool`.

        While the bucket is away, what others left waits; our own is journalled from what is remembered.
        """
        with self._lock:
            mine = {name: one.end for name, one in self._mine.items()}
        if self._lease is not None and boot_s() - self._looked_s > self._times.look_s:
            self._looked_s = boot_s()
            with suppress(StoreError):
                self._left = self._left_behind()
        return {**mine, **{name: None for name in self._left if name not in self._written}}

    def kept(self, name: str, after: int, upto: int | None) -> Iterator[Kept]:
        """The instances of a segment; see `ports.Spool`."""
        with self._lock:
            mine = self._mine.get(name)
            unread = [one.at for one in mine.unread if one.at > after] if mine else None
        end = after
        for at in self._listed(name, after) if upto is None or unread is None else unread:
            if upto is not None and at >= upto:
                break
            one = self._fresh.take(name, at) or self._kept(name, at)
            yield one
            end = one.end
        if upto is None and name in self._left:
            self._read_to[name] = end
            self.journalled(name, after)  # which is up to where the reader had it

    def is_anothers(self, path: str) -> bool:
        """Whether a living receiver has it; see `ports.Spool`."""
        here = place(path)
        owner = here.segment.partition("/")[0] if here else self._owner
        return owner != self._owner and owner in self._watch.living()

    def journalled(self, name: str, upto: int) -> None:
        """All of a segment up to there is in the journal."""
        with self._lock:
            mine = self._mine.get(name)
            if mine is not None:
                mine.indexed = max(mine.indexed, upto)
                mine.unread = [one for one in mine.unread if one.at >= upto]
            done = mine.is_done if mine is not None else self._read_to.get(name) == upto
        if done:
            self._close(name)

    def segments(self) -> Mapping[str, int]:
        """Every segment and the size of its objects in bytes."""
        sizes: dict[str, int] = {}
        for one in self._bucket.items(parcel.FOLDER):
            name = one.key.removeprefix(parcel.FOLDER).rpartition("/")[0]
            if place(f"{name}@0+0"):
                sizes[name] = sizes.get(name, 0) + one.size_bytes
        return sizes

    def is_closed(self, name: str, committed: int) -> bool:
        """Whether nothing is added to a segment any more; see `ports.retention.SegmentStore`."""
        if committed >= self._segment_bytes:
            return True
        owner = name.partition("/")[0]
        if owner == self._owner and self._lease is not None:
            return name not in self._mine
        return owner not in self._watch.living()

    def remove(self, name: str) -> None:
        """Delete a segment. What is still needed of it is the caller's to know."""
        if place(f"{name}@0+0") is None:
            raise StoreError("not a segment of this store")
        self._bucket.delete(
            [*(one.key for one in self._bucket.items(f"{parcel.FOLDER}{name}/")), OPEN + name]
        )

    def put_back(self, kept: Kept, body: bytes) -> None:
        """Write an instance of a backup where it was."""
        here = place(kept.stored.path)
        if here is None or here.length != len(body):
            raise StoreError("an instance of the backup is not what its path says")
        facts, digest = encode_facts(kept.offer, kept.received_utc), bytes.fromhex(kept.stored.digest)
        start = here.at - len(facts) - RECORD_HEAD_BYTES
        made = parcel.label(here.segment, start, facts, len(body), digest)
        self._bucket.put(
            parcel.key(here.segment, here.at), body + made.encoded, len(body) + len(made.encoded)
        )

    def reopen(self, name: str) -> None:
        """Have a segment looked through for what is not journalled."""
        self._bucket.put(OPEN + name, b"", 0)

    # what the writers of this process ask

    def term(self) -> int:
        """The number of the lease's term that goes on. Raises StoreError while there is none."""
        lease = self._lease
        if lease is None:
            raise StoreError("the spool is closed")
        return lease.term()

    def followed_by(self, segment: Segment | None) -> Segment:
        """The segment given while it has room and the lease has not run out since, else a new one."""
        try:
            term = self.term()
        except StoreError as failure:
            raise RefusedInstance(OUT_OF_RESOURCES, str(failure)) from None
        if segment is not None and segment.end < self._segment_bytes and segment.term == term:
            return segment
        if segment is not None:
            self.given_up(segment)
        fresh = Segment(name=f"{self._owner}/{uuid.uuid4().hex}", term=term)
        with self._lock:
            self._written.add(fresh.name)
        self.reopen(fresh.name)
        with self._lock:
            self._mine[fresh.name] = fresh
        return fresh

    def add(self, segment: Segment, gathered: Gathered, label: parcel.Label, head: bytes) -> None:
        """Make an instance durable, whose object was gathered. Raises StoreError."""
        size_bytes = label.place.length + len(label.encoded)
        with told():
            whole = gathered.whole()
        self._bucket.put(parcel.key(segment.name, label.place.at), whole, size_bytes)
        with self._lock:  # so that the segment is not closed between both
            if self.term() != segment.term:
                raise StoreError("the lease of this receiver ran out meanwhile")
            if head and (kept := parcel.decode(segment.name, label.place.at, label.encoded)):
                self._fresh.add(segment.name, label.place.at, kept._replace(head=head))
            segment.end = label.end
            segment.unread.append(label.place)

    def given_up(self, segment: Segment, *, doubtful: bool = False) -> None:
        """Nothing more is added to a segment; see `sending.Segments`."""
        with self._lock:
            segment.full = True
            if doubtful:
                self._doubtful.add(segment.name)
            done = segment.is_done
        if done:
            self._close(segment.name)

    def given_back(self, segment: Segment) -> None:
        """Have the segment for the next association."""
        with self._lock:
            self._idle.append(segment)

    def _close(self, *names: str) -> None:
        """All of these is journalled; where it cannot be written down, a later look finds nothing to do."""
        with self._lock:
            for name in names:
                self._mine.pop(name, None)
                self._read_to.pop(name, None)
            closed = [OPEN + name for name in names if name not in self._doubtful]
            doubtful = self._doubtful.intersection(names)
        with suppress(StoreError):
            self._brisk.delete(closed)
            for name in doubtful:  # who took us for gone may have removed its mark
                self.reopen(name)

    def _left_behind(self) -> list[str]:
        """Open segments of receivers that are gone, an earlier life of this one among them.

        Who lives is asked last: a receiver has its lease before it opens a segment.
        """
        found = [one.key.removeprefix(OPEN) for one in self._brisk.items(OPEN)]
        others = self._watch.living(now=True) - {self._owner}
        return sorted(n for n in found if place(f"{n}@0+0") and n.partition("/")[0] not in others)

    def _listed(self, name: str, after: int) -> list[int]:
        """Where bodies lie in a segment, beyond a place."""
        begin = parcel.key(name, after)
        found = (parcel.at(one.key) for one in self._bucket.items(f"{parcel.FOLDER}{name}/", begin))
        return sorted(at for at in found if at > after)

    def _kept(self, name: str, at: int) -> Kept:
        for size_bytes in parcel.LAST_BYTES:
            if one := parcel.decode(name, at, self._bucket.last(parcel.key(name, at), size_bytes)):
                return one
        raise StoreError("an object of the bucket is none of the spool's")
