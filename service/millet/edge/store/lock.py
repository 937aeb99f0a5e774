"""Who a folder belongs to: a lock that ends with its process, on local disks and NFS alike."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from millet.edge.store.disk import told
from millet.errors import StoreError

NAME = "held"
TRY_EVERY_S = 0.1
ANOTHER = "another process receives under this name: give each a slot of its own"


class FolderLock:
    """Held from its making until `release`, or the end of the process. Raises StoreError."""

    def __init__(self, folder: Path, within_s: float) -> None:
        with told():
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        until_s = time.monotonic() + within_s
        while not _locked(self._file):
            if time.monotonic() > until_s:
                os.close(self._file)
                raise StoreError(ANOTHER)
            time.sleep(TRY_EVERY_S)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._file)


def is_held(folder: Path) -> bool:
    """Whether a living process holds the folder."""
    try:
        file = os.open(folder / NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
