"""What all that is kept in folders shares: flushing a folder, and telling in our words that a disk failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millet.errors import StoreError


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def told() -> Iterator[None]:
    """Say it in our words when the disk fails; no path of ours is of use to who reads it."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"the disk failed: {error.strerror or type(error).__name__}") from error
