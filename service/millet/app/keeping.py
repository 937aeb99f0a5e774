"""The part that makes room in the spool, where it is configured."""

from __future__ import annotations

import logging
from datetime import timedelta

from millet.edge.journal import SqlJournal
from millet.flow.lifecycle import Loop, Part
from millet.flow.retention import Retention
from millet.ports import Clock
from millet.ports.retention import SegmentStore

log = logging.getLogger(__name__)

EVERY_S = 600.0


def keeping(spool: SegmentStore, journal: SqlJournal, clock: Clock, keep_days: float) -> Part:
    """Remove segments that have been done for so many days; none where it is 0."""
    if not keep_days:
        return Part(name="retention")

    def removed(name: str, size_bytes: int) -> None:
        log.info("a segment of the spool was removed", extra={"segment": name, "bytes": size_bytes})

    retention = Retention(spool, journal, clock, timedelta(days=keep_days), removed)
    loop = Loop("retention", retention.step, EVERY_S)
    return Part(name="retention", start=loop.start, stop=loop.stop)
