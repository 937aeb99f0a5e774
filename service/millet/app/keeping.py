"""The parts that make room in the spool and among the objects, where they are configured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from millet.edge.journal import SqlJournal
from millet.edge.telemetry import RoomMetrics
from millet.flow.lifecycle import Loop, Part
from millet.flow.retention import ObjectRetention, Retention
from millet.ports import Clock, ObjectStore
from millet.ports.retention import SegmentStore
from millet.settings import Settings

log = logging.getLogger(__name__)

EVERY_S = 600.0
OBJECTS_EVERY_S = 3600.0
"""Less often: all analyses that still have large objects are looked through, some seconds of a core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What keeps, and for how long."""

    chosen: Settings
    clock: Clock
    journal: SqlJournal
    spool: SegmentStore
    objects: ObjectStore
    metrics: RoomMetrics

    def parts(self) -> Sequence[Part]:
        """One for the spool and one for the objects; whoever does not receive removes nothing."""
        if "receive" not in self.chosen.roles:
            return ()
        found = (
            ("retention", self.chosen.keep_days, self._remove_segments, EVERY_S),
            ("objects", self.chosen.keep_objects_days, self._remove_objects, OBJECTS_EVERY_S),
        )
        return [_part(name, make(timedelta(days=days)), every) for name, days, make, every in found if days]

    def _remove_segments(self, keep: timedelta) -> Callable[[], int]:
        def removed(name: str, size_bytes: int) -> None:
            self.metrics.segment(size_bytes)
            log.info("a segment of the spool was removed", extra={"segment": name, "bytes": size_bytes})

        return Retention(self.spool, self.journal, self.clock, keep, removed).step

    def _remove_objects(self, keep: timedelta) -> Callable[[], None]:
        retention = ObjectRetention(self.objects, self.journal, self.clock, keep, self.metrics.objects)

        def step() -> None:
            if count := retention.step():
                log.info("large objects were removed", extra={"count": count})

        return step


def _part(name: str, step: Callable[[], object], every_s: float) -> Part:
    loop = Loop(name, step, every_s)
    return Part(name=name, start=loop.start, stop=loop.stop)
