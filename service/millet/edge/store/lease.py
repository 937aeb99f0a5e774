"""Which receivers live, where nothing but a bucket is shared: a lease that its owner renews.

Theory of operation. A receiver is whoever wrote the object `lease/NAME` last; every write of it is
conditional (If-None-Match, If-Match), so that of two processes one gets it. The owner writes it anew every
few seconds, with other bytes, hence another ETag. Whoever watches takes it for gone when he has seen the
same ETag for `lease_s` by his own monotonic clock. The owner acknowledges nothing later than `term_s` after
it began to renew, by its own: less than `lease_s`, so that whatever it acknowledged is there when somebody
else begins to read. No clock is compared with another, the store's neither. After a term has run out a new
one begins with new segments, since others may have read the old ones to their end.

A process that was killed leaves its lease, and the next would wait for `lease_s`. It need not when it runs on
the same folder of the same machine: a lock there ends with its process, and the lease says where that was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from millet.edge.store.bucket import Bucket, Found
from millet.edge.store.disk import told
from millet.edge.store.lock import ANOTHER, FolderLock
from millet.errors import StoreError

FOLDER = "lease/"
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long is waited for a sign of life."""

    beat_s: float = 3.0
    term_s: float = 10.0
    """Three renewals may fail before a receiver takes nothing any more."""
    lease_s: float = 15.0
    """A receiver that did not renew for this long is gone."""
    restart_s: float = 10.0
    """How long a start waits for the process before it to let go."""
    look_s: float = 5.0
    """How often is looked for receivers that are gone."""


TIMES = Times()


def boot_s() -> float:
    """A clock that nobody sets, and that goes on while a machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Held from `hold` to `release`. Blocks, raises StoreError."""

    def __init__(self, bucket: Bucket, owner: str, folder: Path, times: Times = TIMES) -> None:
        self._bucket = bucket
        self._key = f"{FOLDER}{owner}"
        self._folder = folder
        self._times = times
        self._life = uuid.uuid4().hex
        self._here = ""
        """What our folder on this machine is called, whichever process uses it."""
        self._beats = 0
        self._etag = ""
        self._until_s = 0.0
        self._term = 0
        self._lost = False
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._locked: FolderLock | None = None
        self._thread: threading.Thread | None = None

    def hold(self) -> None:
        """Be the receiver of this name. Raises StoreError where another process is."""
        with told():
            self._folder.mkdir(parents=True, exist_ok=True)
        self._locked = FolderLock(self._folder, self._times.restart_s)
        try:
            self._here = _name_of(self._folder)
            self._acquire()
            self._prove()
        except BaseException:
            self._locked.release()
            raise
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let others have it. Does not raise."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        if not self.ill():  # else it may be another's by now
            with suppress(StoreError):  # then it runs out
                self._bucket.delete([self._key])
        with self._lock:
            self._until_s = 0.0
        if self._locked is not None:
            self._locked.release()

    def term(self) -> int:
        """The number of the term that goes on. Raises StoreError while there is none."""
        with self._lock:
            if why := self._ill():
                raise StoreError(why)
            return self._term

    def ill(self) -> str:
        """Why nothing may be acknowledged now; empty where all is well."""
        with self._lock:
            return self._ill()

    def _ill(self) -> str:
        if self._lost:
            return "another process has taken over the name of this receiver"
        return "" if boot_s() < self._until_s else "the bucket is away: this receiver's lease has run out"

    def _acquire(self) -> None:
        """Wait until nobody has it, for as long as a process that ends may need."""
        before: Found | None = None
        changes, since_s = 0, boot_s()
        until_s = since_s + self._times.restart_s
        while True:
            asked_s = boot_s()
            if (etag := self._bucket.create(self._key, self._body())) is not None:
                return self._renewed(etag, asked_s)
            if (found := self._bucket.find(self._key)) is not None:
                if before is None or found.etag != before.etag:
                    before, changes, since_s = found, changes + 1, boot_s()
                silent = boot_s() - since_s >= self._times.lease_s
                if (silent or self._is_ours(found)) and self._take_over(found):
                    return None
                if changes > 1 and boot_s() > until_s:
                    raise StoreError(ANOTHER)
            time.sleep(self._times.beat_s / 10)

    def _is_ours(self, found: Found) -> bool:
        """Whether an earlier process on this folder left it, which is gone since we hold the folder."""
        return _told_by(found).get("folder") == self._here

    def _take_over(self, found: Found) -> bool:
        asked_s = boot_s()
        etag = self._bucket.replace(self._key, self._body(), found.etag)
        if etag is not None:
            self._renewed(etag, asked_s)
        return etag is not None

    def _prove(self) -> None:
        """Whether the store judges conditions: one that does not would let two have the same lease."""
        made = self._bucket.create(self._key, self._body())
        if made is not None or self._bucket.replace(self._key, self._body(), '"0"') is not None:
            raise StoreError(
                "the bucket's store does not know conditional writes (If-None-Match and If-Match), by which "
                "receivers tell each other apart"
            )

    def _run(self) -> None:
        away = False
        while not self._stopped.wait(self._times.beat_s):
            try:
                self._beat()
                if away:
                    logging.getLogger(__name__).info("the bucket answers again")
                away = False
            except StoreError as failure:
                if not away:
                    logging.getLogger(__name__).warning("the lease was not renewed: %s", failure)
                away = True
            if self._lost:
                logging.getLogger(__name__).error("%s: nothing more is taken", self.ill())
                return

    def _beat(self) -> None:
        for _ in range(3):
            asked_s = boot_s()
            etag = self._bucket.replace(self._key, self._body(), self._etag)
            if etag is None and (found := self._bucket.find(self._key)) is not None:
                if _told_by(found).get("life") != self._life:
                    with self._lock:
                        self._lost = True
                    return None
                self._etag = found.etag  # our own, whose answer was lost
            elif etag is None:  # somebody has cleaned up
                etag = self._bucket.create(self._key, self._body())
            if etag is not None:
                return self._renewed(etag, asked_s)
        raise StoreError("the bucket failed: the lease changes by itself")

    def _renewed(self, etag: str, asked_s: float) -> None:
        with self._lock:
            self._etag = etag
            if boot_s() >= self._until_s:
                self._term += 1
            self._until_s = asked_s + self._times.term_s

    def _body(self) -> bytes:
        self._beats += 1
        return json.dumps({"life": self._life, "folder": self._here, "beat": self._beats}).encode()


class Watch:
    """Sees which leases are renewed. Thread-safe. Blocks, raises StoreError."""

    def __init__(self, bucket: Bucket, times: Times = TIMES, clock_s: Callable[[], float] = boot_s) -> None:
        self._bucket = bucket
        self._times = times
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[str, float]] = {}
        """By owner: the ETag, and since when it is that."""
        self._looked_s = float("-inf")

    def living(self, *, now: bool = False) -> frozenset[str]:
        """Receivers that were not seen to be gone; looked up `now`, or lately."""
        with self._lock:
            if now or self._clock_s() - self._looked_s > self._times.look_s:
                self._look()
            silent_s = self._times.lease_s
            return frozenset(
                name for name, (_, since_s) in self._seen.items() if self._looked_s - since_s < silent_s
            )

    def _look(self) -> None:
        """Another ETag is a sign of life. Where nothing could be seen for long, silence says nothing."""
        began_s = self._clock_s()
        etags = {one.key.removeprefix(FOLDER): one.etag for one in self._bucket.items(FOLDER)}
        ended_s = self._clock_s()
        blind = began_s - self._looked_s > self._times.lease_s
        before = {} if blind else self._seen
        self._seen = {
            name: before[name] if name in before and before[name][0] == etag else (etag, ended_s)
            for name, etag in etags.items()
        }
        self._looked_s = began_s


def _told_by(found: Found) -> dict[str, object]:
    try:
        told_by = json.loads(found.body)
    except ValueError:
        return {}
    return told_by if isinstance(told_by, dict) else {}


def _name_of(folder: Path) -> str:
    """A name for the folder, made once, with one for the machine since it was started: a copy is another."""
    path = folder / "name"
    with told():
        if not path.is_file():
            path.write_text(uuid.uuid4().hex)
        return f"{path.read_text()} {BOOT.read_text().strip()}"
