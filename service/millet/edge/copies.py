"""Files copied with their digests, durable, and checked again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from millet.errors import StoreError

PIECE_BYTES = 1 << 20


class Copy(NamedTuple):
    """A file of a backup."""

    path: str
    """Below the backup's folder."""
    size_bytes: int
    digest: str
    """SHA-256 in hex."""


def copied(root: Path, out: Path, name: str) -> Iterator[Copy]:
    """Copy every file below a folder to `out/name`; one that grows meanwhile as long as it was at first.

    Raises OSError. Files that end in `.part`, and locks, are of the moment and left out.
    """
    for source in sorted(root.rglob("*")) if root.is_dir() else ():
        if source.is_file() and source.suffix not in {".part", ".lock"} and not source.name.startswith("."):
            below = f"{name}/{source.relative_to(root).as_posix()}"
            try:
                yield _copied(source, out / below, below)
            except FileNotFoundError:  # retention took it; what needed it is noticed when the copy is checked
                continue


def written(out: Path, name: str, lines: Iterable[str]) -> Copy:
    """Write one file of lines durably. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with (out / name).open("wb") as file:
        for line in lines:
            encoded = f"{line}\n".encode()
            file.write(encoded)
            digest.update(encoded)
            size += len(encoded)
        file.flush()
        os.fsync(file.fileno())
    return Copy(name, size, digest.hexdigest())


def kept(out: Path, name: str, encoded: bytes) -> Copy:
    """Write one file durably. Raises OSError."""
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
    return Copy(name, len(encoded), hashlib.sha256(encoded).hexdigest())


def noted(out: Path, name: str) -> Copy:
    """What a file is that somebody else has written. Raises OSError."""
    with (out / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Copy(name, os.fstat(file.fileno()).st_size, digest)


def fault(root: Path, copy: Copy) -> str:
    """What is wrong with a copy, the empty string when nothing is. Raises StoreError for a path beyond."""
    path = root / copy.path
    if not path.resolve().is_relative_to(root.resolve()):
        raise StoreError(f"{copy.path} lies outside the backup")
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != copy.size_bytes:
        return f"has {path.stat().st_size} of {copy.size_bytes} bytes"
    with path.open("rb") as file:
        return "" if hashlib.file_digest(file, "sha256").hexdigest() == copy.digest else "was altered"


def _copied(source: Path, target: Path, below: str) -> Copy:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        left = size = os.fstat(file.fileno()).st_size
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as copy:
            while left and (piece := file.read(min(left, PIECE_BYTES))):
                copy.write(piece)
                digest.update(piece)
                left -= len(piece)
            copy.flush()
            os.fsync(copy.fileno())
    return Copy(below, size - left, digest.hexdigest())
