"""The metrics of what readers say: how long a level waits to be seen, and what they think of nodules."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from millet.core.analysis import TriageLevel
from millet.core.readers import Opinion

READING_S = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 259_200)
"""Buckets for the time until a person looks: a minute to three days."""


class ReaderMetrics:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._delay_s = Histogram(
            "millet_acknowledgement_delay_seconds",
            "From the analysis that told a level to its acknowledgement.",
            ["level"],
            buckets=READING_S,
            registry=registry,
        )
        self._feedback = Counter(
            "millet_feedback", "What readers said of nodules.", ["opinion"], registry=registry
        )
        for level in TriageLevel:
            self._delay_s.labels(level)
        for opinion in Opinion:
            self._feedback.labels(opinion)

    def acknowledged(self, level: TriageLevel, after_s: float) -> None:
        """Somebody has seen the level of a series, so long after it was told."""
        self._delay_s.labels(level).observe(max(after_s, 0.0))

    def judged(self, opinion: Opinion) -> None:
        """Somebody has said what they think of a nodule."""
        self._feedback.labels(opinion).inc()
