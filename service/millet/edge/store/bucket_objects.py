"""The objects that we made, in a bucket: named after their bytes, as in a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from millet.edge.store.bucket import Bucket
from millet.errors import StoreError
from millet.ports import Stored

FOLDER = "objects/"
_PATH = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.\w{1,8}")


class BucketObjects:
    """An `ObjectStore` in a bucket, which all machines share. Thread-safe. Raises StoreError."""

    def __init__(self, bucket: Bucket, suffix: str = ".bin") -> None:
        self._bucket = bucket
        self._suffix = suffix

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; see `ports.ObjectStore`."""
        digest = hashlib.sha256(encoded).hexdigest()
        stored = Stored(f"{digest[:2]}/{digest}{self._suffix}", digest, len(encoded))
        self._bucket.put(FOLDER + stored.path, encoded, len(encoded))
        return stored

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`; see `ports.ObjectStore`."""
        if not _PATH.fullmatch(path):
            raise StoreError("not a path of this store")
        return self._bucket.whole(FOLDER + path)

    def paths(self) -> Sequence[str]:
        """Everything that is stored."""
        found = (one.key.removeprefix(FOLDER) for one in self._bucket.items(FOLDER))
        return sorted(path for path in found if _PATH.fullmatch(path) and path.endswith(self._suffix))

    def remove(self, paths: Iterable[str]) -> None:
        """Delete what lies there; see `ports.ObjectStore`."""
        gone = list(paths)
        if not all(map(_PATH.fullmatch, gone)):
            raise StoreError("not a path of this store")
        self._bucket.delete(FOLDER + path for path in gone)
