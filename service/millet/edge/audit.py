"""The audit trail's files: appended to by one thread, flushed to the disk in batches, rotated.

Each process has files of its own, `audit-PROCESS-000001.jsonl` and so on; the chain of hashes goes on from
one to the next and over restarts. What finds no room (a full disk, more events than can be written) does not
stop the service: it is counted, and the number is the first line that is written again.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import queue
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from millet.core.audit import Event, Head, Kind, Line, digest, line_of
from millet.errors import StoreError

log = logging.getLogger(__name__)

ROTATE_BYTES = 64 << 20
HEAD_EVERY_S = 60.0
MOST_WAITING = 10_000
KEY_BYTES = 32
_NAME = re.compile(r"audit-(.+)-(\d{6,})\.jsonl")


def key_at(path: Path) -> bytes:
    """The key of the pseudonyms, made once and durable before it is used. Raises StoreError."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(f"the key of the audit trail, {path}: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise StoreError(f"the key of the audit trail, {path}, is not of {KEY_BYTES} bytes")
    return key


def _make_key(path: Path) -> None:
    """Make a key, unless another process is first: a name stands for nothing but whole, flushed bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a process writes, and how."""

    folder: Path
    """Made if it is not there."""
    process: str
    """What tells this process from others that write there."""
    key: bytes = field(repr=False)
    """Of the pseudonyms."""
    rotate_bytes: int = ROTATE_BYTES
    """Size at which the next file is begun."""
    head_every_s: float = HEAD_EVERY_S
    """How often the head is told while it changes."""


class AuditTrail:
    """The trail of one process. Thread-safe; `write` does not wait for the disk.

    Args:
        place: where.
        utc: the time that is written down.
        noted: told the chain's head from time to time, by the writing thread: to be kept elsewhere.
        lost: told how many events found no room.

    Raises StoreError where its last file cannot be read or written.
    """

    def __init__(
        self,
        place: Place,
        utc: Callable[[], datetime],
        *,
        noted: Callable[[str, Head], None],
        lost: Callable[[int], None],
    ) -> None:
        folder = self._folder = place.folder
        self._place = place
        self._utc = utc
        self._noted = noted
        self._told_lost = lost
        self._queue: queue.Queue[tuple[Event, datetime] | threading.Event | None] = queue.Queue(MOST_WAITING)
        self._lost, self._counting = 0, threading.Lock()
        self._noted_head: Head | None = None
        self._noted_s = -math.inf
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.process, self._lock = _owned(folder, re.sub(r"[^\w.-]", "_", place.process))
            self._head, self._number, torn_bytes = _last(folder, self.process)
            self._file = self._open()
        except OSError as error:
            raise StoreError(f"the audit trail in {folder}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()
        if torn_bytes:
            self.write(
                Event(kind=Kind.MENDED, what=f"{torn_bytes} bytes of a half-written line were cut off")
            )

    def write(self, event: Event) -> None:
        """Keep an event; it is durable a moment later."""
        try:
            self._queue.put_nowait((event, self._utc()))
        except queue.Full:
            self._lose(1)

    def flush(self) -> None:
        """Return when everything that was written before is durable, or lost."""
        done = threading.Event()
        self._queue.put(done)
        done.wait()

    def stop(self) -> None:
        """Make everything durable, note the head, and let go of the files."""
        self._queue.put(None)
        self._thread.join()
        os.close(self._file)
        os.close(self._lock)

    def _run(self) -> None:
        going = True
        while going:
            batch, waiting, going = self._batch()
            if batch:
                self._append(batch)
            for done in waiting:
                done.set()
            self._note(final=not going)

    def _batch(self) -> tuple[list[tuple[Event, datetime]], list[threading.Event], bool]:
        """Everything that waits; who waits for it to be durable; and whether more may come."""
        batch: list[tuple[Event, datetime]] = []
        waiting: list[threading.Event] = []
        with suppress(queue.Empty):
            one = self._queue.get(timeout=self._place.head_every_s)
            while one is not None:
                if isinstance(one, threading.Event):
                    waiting.append(one)
                else:
                    batch.append(one)
                one = self._queue.get_nowait()
            return batch, waiting, False
        return batch, waiting, True

    def _append(self, batch: list[tuple[Event, datetime]]) -> None:
        """One write and one fsync for a batch; after a failure the file is as it was before."""
        lost, head, lines = self._lost, self._head, []
        if lost:
            words = f"{lost} events before this one found no room and are lost"
            batch = [(Event(kind=Kind.MENDED, what=words), batch[0][1]), *batch]
        for event, at in batch:
            line = line_of(event, at, self.process, self._place.key, head)
            head = Head(0 if head is None else head.number + 1, digest(line))
            lines.append(line + b"\n")
        try:
            self._write(b"".join(lines))
        except OSError as error:
            log.error("the audit trail cannot be written", extra={"why": str(error.strerror)})  # noqa: TRY400 - no frames
            self._lose(len(batch) - bool(lost))
            return
        self._head = head
        with self._counting:
            self._lost -= lost

    def _write(self, content: bytes) -> None:
        size = os.lseek(self._file, 0, os.SEEK_END)
        if size and size + len(content) > self._place.rotate_bytes:
            os.close(self._file)
            self._number += 1
            self._file, size = self._open(), 0
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _open(self) -> int:
        path = self._folder / f"audit-{self.process}-{self._number:06d}.jsonl"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _sync_folder(self._folder)
        return opened

    def _lose(self, events: int) -> None:
        with self._counting:
            self._lost += events
        self._told_lost(events)

    def _note(self, *, final: bool) -> None:
        """Tell the head if it changed: the first, the last, and from time to time between."""
        now_s = time.monotonic()
        is_due = final or now_s - self._noted_s >= self._place.head_every_s
        if is_due and self._head is not None and self._head != self._noted_head:
            self._noted(self.process, self._head)
            self._noted_head, self._noted_s = self._head, now_s


def chains(folder: Path) -> Mapping[str, Iterator[Line]]:
    """The lines of each process' files in order, by process; read as they are asked for."""
    files: dict[str, list[Path]] = {}
    for path, process in _files(folder):
        files.setdefault(process, []).append(path)
    return {process: _lines(paths) for process, paths in files.items()}


def _files(folder: Path) -> list[tuple[Path, str]]:
    """All files of the trail with their process, in the order in which they were begun."""
    found = [(path, match) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    found.sort(key=lambda one: (one[1][1], int(one[1][2])))
    return [(path, match[1]) for path, match in found]


def _lines(paths: list[Path]) -> Iterator[Line]:
    for path in paths:
        with path.open("rb") as file:
            for number, content in enumerate(file, 1):
                yield Line(path.name, number, content.removesuffix(b"\n"))


def _owned(folder: Path, process: str) -> tuple[str, int]:
    """A name that no living process writes under, and the lock that says so."""
    for attempt in range(1, 100):
        name = process if attempt == 1 else f"{process}.{attempt}"
        lock = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return name, lock
    raise StoreError(f"the audit trail in {folder}: a hundred processes of the name {process} write there")


def _last(folder: Path, process: str) -> tuple[Head | None, int, int]:
    """The head of a process' chain, the number of its newest file, and the bytes cut off its end."""
    paths = [path for path, owner in _files(folder) if owner == process]
    number = int(paths[-1].stem.rpartition("-")[2]) if paths else 1
    torn_bytes = _mend(paths[-1]) if paths else 0
    lines = [line for path in paths[-2:] for line in path.read_bytes().splitlines()]
    if not lines:
        return None, number, torn_bytes
    try:
        return Head(int(json.loads(lines[-1])["n"]), digest(lines[-1])), number, torn_bytes
    except (ValueError, TypeError, KeyError):
        log.error("the audit trail does not end with a line of its own: a new chain begins")  # noqa: TRY400 - no frames
        return None, number + 1, torn_bytes


def _mend(path: Path) -> int:
    """Cut off what a crash left of a line that was never durable; the number of bytes."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return len(content) - whole
