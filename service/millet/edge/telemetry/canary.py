"""The metrics of the canary: whether a phantom with known nodules goes through the whole service and back."""

from __future__ import annotations

import math
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)


class Sent(StrEnum):
    """How sending a canary ended."""

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"


class CanaryMetrics:
    """All there from the start. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str) -> Gauge:
            return Gauge(f"millet_canary_{name}", meaning, registry=registry)

        self._sent = Counter(
            "millet_canary_sent", "Canaries by what became of them.", ["result"], registry=registry
        )
        self._every = gauge("interval_seconds", "How often a canary is sent; 0 for never.")
        self._sensitivity = gauge("sensitivity_ratio", "Share of the known nodules in the last report.")
        self._others = gauge("other_marks", "Marks of the last report that are none of the known nodules.")
        self._success = gauge("last_success_timestamp_seconds", "When a canary last came back whole.")
        self._latency_s = Histogram(
            "millet_canary_latency_seconds",
            "From a canary's last instance to its report.",
            buckets=LATENCY_S,
            registry=registry,
        )
        self._sensitivity.set(math.nan)
        self._others.set(math.nan)
        for result in Sent:
            self._sent.labels(result)

    def planned(self, every_s: float) -> None:
        """So often."""
        self._every.set(every_s)

    def sent(self, result: Sent) -> None:
        """One was sent, or could not be."""
        self._sent.labels(result).inc()

    def came_back(self, sensitivity: float, other_marks: int) -> None:
        """A report of one was delivered."""
        self._sensitivity.set(sensitivity)
        self._others.set(other_marks)

    def latency(self, seconds: float) -> None:
        """It took so long."""
        self._latency_s.observe(seconds)

    def succeeded(self, now_s: float) -> None:
        """It was as it should be, at a time in seconds since 1970."""
        self._success.set(now_s)
