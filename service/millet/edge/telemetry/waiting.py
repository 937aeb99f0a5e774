"""The metric of what nobody acknowledged in time."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from millet.core.analysis import TriageLevel


class WaitingMetrics:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._overdue = Gauge(
            "millet_series_overdue",
            "Series whose triage level nobody acknowledged in time.",
            ["level"],
            registry=registry,
        )
        self.overdue({})

    def overdue(self, counts: Mapping[TriageLevel, int]) -> None:
        """They were counted; a level that is not named there has none."""
        for level in TriageLevel:
            self._overdue.labels(level).set(counts.get(level, 0))
