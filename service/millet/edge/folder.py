"""The default destination: a folder, so that a first trial needs no PACS."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

from millet.errors import DeliveryError
from millet.ports import Delivery

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


class FolderDestination:
    """A `Destination`: root/site/study/series/kind-generation.dcm, written atomically and durably."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, delivery: Delivery) -> Path:
        """Where an object goes."""
        parts = (_safe(part) for part in (delivery.site, delivery.study_uid, delivery.series_uid))
        return self._root.joinpath(*parts) / f"{_safe(delivery.kind)}-{delivery.generation}.dcm"

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Write one object; see `ports.Destination`."""
        path = self.path_of(delivery)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, encoded)
        except OSError as error:
            raise DeliveryError(f"the folder failed: {error.strerror}", retryable=True) from error


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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
