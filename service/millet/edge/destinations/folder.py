"""The default destination: a folder, so that a first trial needs no PACS."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

from millet.core.media import file_ending
from millet.errors import DeliveryError
from millet.ports import Delivery

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


class FolderDestination:
    """A `Destination`: root/site/study/series/kind-generation.dcm, written atomically and durably."""

    limit_s = 60.0
    """A hanging network folder cannot be left; what is written twice then is written once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, delivery: Delivery) -> Path:
        """Where an object goes."""
        parts = (_safe(part) for part in (delivery.site, delivery.study_uid, delivery.series_uid))
        name = f"{_safe(delivery.kind)}-{delivery.generation}{file_ending(delivery.kind)}"
        return self._root.joinpath(*parts) / name

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Write one object; see `ports.Destination`."""
        path = self.path_of(delivery)
        try:
            self._make(path.parent)
            _replace(path, encoded)
        except OSError as error:
            raise DeliveryError(f"the folder failed: {error.strerror}", retryable=True, away=True) from error

    def _make(self, folder: Path) -> None:
        """Make a folder, and flush each one above it that may be new: a crash then takes none away."""
        folder.mkdir(parents=True, exist_ok=True)
        for above in folder.parents:
            with suppress(PermissionError):  # a parent of others, which we have not made
                _sync(above)
            if above == self._root.parent:
                break


def _safe(part: str) -> str:
    """A name for a folder; what a sender made up and is none becomes its hash."""
    if _SAFE.fullmatch(part) and ".." not in part:
        return part
    return hashlib.sha256(part.encode()).hexdigest()[:16]


def _replace(path: Path, encoded: bytes) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    with temporary.open("xb") as file:
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
