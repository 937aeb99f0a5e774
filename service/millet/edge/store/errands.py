"""Instances on their way from a receiver to the analyser that asked for them.

A path begins with the second in which it was written, so that what a crash left lying is found and removed
without asking anybody; the rest of it is made up, and nothing that a sender says is part of it.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from millet.edge.store.disk import sync_folder, told
from millet.errors import RefusedInstance, StoreError

OUT_OF_RESOURCES = 0xA700
_PATH = re.compile(r"(?P<second>\d{10,12})-[0-9a-f]{32}\.dcm")


class ErrandFolder:
    """An `ErrandStore` in one folder, which receivers and analysers share. Thread-safe."""

    def __init__(self, root: Path, *, reserve_bytes: int = 0) -> None:
        """Make one; nothing is taken while less than `reserve_bytes` are free."""
        self._root = root
        self._reserve_bytes = reserve_bytes

    def write(self, encoded: bytes, now_utc: datetime) -> str:
        """Make an instance durable; see `ports.ErrandStore`."""
        path = new_path(now_utc)
        with told():
            if not self._root.is_dir():
                self._root.mkdir(parents=True, exist_ok=True)
                sync_folder(self._root.parent)
            if self._reserve_bytes and shutil.disk_usage(self._root).free < self._reserve_bytes:
                raise RefusedInstance(OUT_OF_RESOURCES, "the spool has reached its reserve")
            with (self._root / path).open("xb") as file:
                file.write(encoded)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._root)
        return path

    def read(self, path: str) -> bytes:
        """The bytes of a path."""
        with told():
            return (self._root / checked(path)).read_bytes()

    def remove(self, paths: Collection[str]) -> None:
        """Delete them."""
        with told():
            for path in paths:
                (self._root / checked(path)).unlink(missing_ok=True)

    def older(self, than_utc: datetime) -> Sequence[str]:
        """What was written before."""
        with told():
            return written_before((one.name for one in self._root.glob("*.dcm")), than_utc)


def new_path(now_utc: datetime) -> str:
    """One that no other instance has."""
    return f"{int(now_utc.timestamp()):010d}-{uuid.uuid4().hex}.dcm"


def checked(path: str) -> str:
    """The same. Raises StoreError where it is no path of `new_path`."""
    if not _PATH.fullmatch(path):
        raise StoreError("not a path of this store")
    return path


def written_before(names: Iterable[str], than_utc: datetime) -> Sequence[str]:
    """Those that are paths, and were made before."""
    found = (one for name in names if (one := _PATH.fullmatch(name)))
    return sorted(one.string for one in found if int(one["second"]) < than_utc.timestamp())
