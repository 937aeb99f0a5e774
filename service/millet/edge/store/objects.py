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
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from millet.edge.store.disk import sync_folder, told
from millet.errors import StoreError
from millet.ports import Stored

TEMPORARY = ".part"
STALE_S = 3600.0
"""What was half written this long ago no process is still writing; several may share the folder."""
FOLDERS = tuple(f"{n:02x}" for n in range(256))
_PATH = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.\w{1,8}")


class ObjectFolder:
    """An `ObjectStore` in one folder. Making it removes what a crash left half written. Raises StoreError."""

    def __init__(self, root: Path, suffix: str = ".bin") -> None:
        self._root = root
        self._suffix = suffix
        with told():
            for name in FOLDERS:
                (root / name).mkdir(parents=True, exist_ok=True)
            for half in root.glob(f"??/*{TEMPORARY}"):
                if time.time() - half.stat().st_mtime > STALE_S:
                    half.unlink(missing_ok=True)
            for folder in (root, *root.absolute().parents[:2]):
                with suppress(PermissionError):  # a parent of others, which we have not made
                    sync_folder(folder)

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; see `ports.ObjectStore`."""
        digest = hashlib.sha256(encoded).hexdigest()
        stored = Stored(f"{digest[:2]}/{digest}{self._suffix}", digest, len(encoded))
        path = self._root / stored.path
        with told():
            if not _holds(path, len(encoded)):
                _write_durably(path, encoded)
            sync_folder(path.parent)
        return stored

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`; see `ports.ObjectStore`."""
        if not _PATH.fullmatch(path):
            raise StoreError("not a path of this store")
        with told():
            return (self._root / path).read_bytes()

    def paths(self) -> Sequence[str]:
        """Everything that is stored."""
        with told():
            return sorted(f"{p.parent.name}/{p.name}" for p in self._root.glob(f"??/*{self._suffix}"))

    def remove(self, paths: Iterable[str]) -> None:
        """Delete what lies there, durably; see `ports.ObjectStore`."""
        for path in paths:
            if not _PATH.fullmatch(path):
                raise StoreError("not a path of this store")
            with told():
                (self._root / path).unlink(missing_ok=True)
                sync_folder((self._root / path).parent)

    def free_bytes(self) -> int:
        """Space left on the disk."""
        with told():
            return shutil.disk_usage(self._root).free


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
