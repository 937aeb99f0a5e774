"""The metrics of what nobody acknowledged in time, and of what somebody did."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from millet.core.analysis import TriageLevel
from millet.core.notification import LEVELS


class WaitingMetrics:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._overdue = Gauge(
            "millet_series_overdue",
            "Series whose triage level nobody acknowledged in time.",
            ["level"],
            registry=registry,
        )
        self._flagged = Gauge(
            "millet_flagged_studies",
            "Studies of the last day that have a level, by whether somebody acknowledged it.",
            ["level", "acknowledged"],
            registry=registry,
        )
        self.overdue({})
        self.flagged({})

    def overdue(self, counts: Mapping[TriageLevel, int]) -> None:
        """They were counted; a level that is not named there has none."""
        for level in TriageLevel:
            self._overdue.labels(level).set(counts.get(level, 0))

    def flagged(self, counts: Mapping[tuple[TriageLevel, bool], int]) -> None:
        """Studies were counted by level and acknowledgement; what is not named there is none."""
        for level in LEVELS:
            for acknowledged, told in ((True, "yes"), (False, "no")):
                self._flagged.labels(level, told).set(counts.get((level, acknowledged), 0))
