"""The metrics of what retention removed."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from millet.core.retention import LARGE


class RoomMetrics:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._spool_bytes = Counter(
            "millet_spool_removed_bytes", "Bytes of the spool that retention removed.", registry=registry
        )
        self._objects = Counter(
            "millet_objects_removed", "Objects that retention removed.", ["kind"], registry=registry
        )
        for kind in LARGE:
            self._objects.labels(kind)

    def segment(self, size_bytes: int) -> None:
        """A segment of the spool was removed."""
        self._spool_bytes.inc(size_bytes)

    def objects(self, kinds: Iterable[str]) -> None:
        """An object of each of these kinds was removed."""
        for kind in kinds:
            self._objects.labels(kind).inc()
