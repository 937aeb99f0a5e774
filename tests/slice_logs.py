"""Instances behind an analysis, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import ct

from millet.codec.ct import read_header
from millet.ports import SeriesKey, StoredSlice


class MemorySlices:
    """A `ports.SliceLog` of the same slices for every series, and the spool they lie in."""

    def __init__(self, encoded: Sequence[bytes] = ()) -> None:
        self.encoded = list(encoded or ct.files(ct.series()))
        self.reads = 0
        self.removed = False

    def slices(self, _key: SeriesKey) -> Sequence[StoredSlice]:
        """See the port."""
        paths = ("" if self.removed else str(at) for at in range(len(self.encoded)))
        return [StoredSlice(path, read_header(one)) for path, one in zip(paths, self.encoded, strict=True)]

    def slice(self, key: SeriesKey, sop_instance_uid: str) -> StoredSlice | None:
        """See the port."""
        known = {one.header.sop_instance_uid: one for one in self.slices(key)}
        return known.get(sop_instance_uid)

    def read(self, path: str) -> bytes:
        """The bytes of one."""
        self.reads += 1
        return self.encoded[int(path)]
