"""Instances on their way from a receiver to the analyser that asked for them, in a bucket."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from millet.edge.store.bucket import Bucket
from millet.edge.store.errands import checked, new_path, written_before

FOLDER = "errands/"


class ErrandBucket:
    """An `ErrandStore` in a bucket, which all machines share. Thread-safe."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, encoded: bytes, now_utc: datetime) -> str:
        """Make an instance durable; see `ports.ErrandStore`."""
        path = new_path(now_utc)
        self._bucket.put(FOLDER + path, encoded, len(encoded))
        return path

    def read(self, path: str) -> bytes:
        """The bytes of a path."""
        return self._bucket.whole(FOLDER + checked(path))

    def remove(self, paths: Collection[str]) -> None:
        """Delete them."""
        self._bucket.delete(FOLDER + checked(path) for path in paths)

    def older(self, than_utc: datetime) -> Sequence[str]:
        """What was written before."""
        return written_before((one.key.removeprefix(FOLDER) for one in self._bucket.items(FOLDER)), than_utc)
