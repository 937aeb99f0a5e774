"""Bytes on disk, by their content, durable before anybody is told so.

A file is written under a temporary name, flushed to the disk, renamed, and its folder is flushed too
(rename alone survives a crash of the process, not of the machine). The name is the SHA-256 of the bytes:
nothing a sender says, no UID, ever becomes part of a path, and writing twice is writing once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from millet.errors import RefusedInstance, StoreError
from millet.ports import Stored

OUT_OF_RESOURCES = 0xA700
"""DIMSE status "Refused: Out of Resources" (PS3.4 B.2.3)."""
TEMPORARY = ".part"
FOLDERS = tuple(f"{n:02x}" for n in range(256))
_PATH = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.\w{1,8}")


class DirectorySpool:
    """A `Spool` in one folder. Making it removes what a crash left half written. Raises StoreError."""

    def __init__(self, root: Path, *, reserve_bytes: int = 0, suffix: str = ".dcm") -> None:
        self._root = root
        self._reserve_bytes = reserve_bytes
        self._suffix = suffix
        with _told():
            for name in FOLDERS:
                (root / name).mkdir(parents=True, exist_ok=True)
            for half in root.glob(f"??/*{TEMPORARY}"):
                half.unlink()
            for folder in (root, *root.absolute().parents[:2]):
                with suppress(PermissionError):  # a parent of others, which we have not made
                    _sync_folder(folder)

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; see `ports.Spool`."""
        digest = hashlib.sha256(encoded).hexdigest()
        stored = Stored(f"{digest[:2]}/{digest}{self._suffix}", digest, len(encoded))
        path = self._root / stored.path
        with _told():
            if not _holds(path, len(encoded)):
                self._refuse_when_full(len(encoded))
                _write_durably(path, encoded)
            _sync_folder(path.parent)
        return stored

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`; see `ports.Spool`."""
        if not _PATH.fullmatch(path):
            raise StoreError("not a path of this store")
        with _told():
            return (self._root / path).read_bytes()

    def paths(self) -> Sequence[str]:
        """Everything that is stored."""
        with _told():
            return sorted(f"{p.parent.name}/{p.name}" for p in self._root.glob(f"??/*{self._suffix}"))

    def free_bytes(self) -> int:
        """Space left on the disk."""
        with _told():
            return shutil.disk_usage(self._root).free

    def _refuse_when_full(self, size_bytes: int) -> None:
        if self._reserve_bytes and self.free_bytes() - size_bytes < self._reserve_bytes:
            raise RefusedInstance(OUT_OF_RESOURCES, "the spool has reached its reserve")


def _holds(path: Path, size_bytes: int) -> bool:
    """Whether a file is there whole; a file system that was repaired may have cut it off."""
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


def _write_durably(path: Path, encoded: bytes) -> None:
    temporary = path.with_name(f"{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told() -> Iterator[None]:
    """Say it in our words when the disk fails."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"the disk failed: {error.strerror or type(error).__name__}") from error
