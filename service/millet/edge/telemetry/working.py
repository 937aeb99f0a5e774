"""The metrics of the work: what waits for it, how often it is begun, what the devices do, and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

WAIT_S = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
BATCH_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
BATCH_WINDOWS = (1, 2, 4, 8, 16, 32, 64)
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Priority(StrEnum):
    """How urgent work is, in the order of `core.turns`."""

    ROUTINE = "routine"
    EMERGENCY = "emergency"


class Attempt(StrEnum):
    """How one attempt at an analysis ended."""

    COMMITTED = "committed"
    DETECTOR_FAILED = "detector-failed"
    FAILED = "failed"


def priority_of(urgency: int) -> Priority:
    """The priority of an urgency; what is more than an emergency is one."""
    return list(Priority)[min(urgency, len(Priority) - 1)]


class Working:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._oldest_s = Gauge(
            "millet_jobs_oldest_wait_seconds",
            "How long the complete series that has waited longest has waited; 0 for none.",
            ["priority"],
            registry=registry,
        )
        self._attempts = Counter(
            "millet_analysis_attempts", "Attempts at an analysis that ended.", ["result"], registry=registry
        )
        self._recovered = Counter("millet_work_recovered", "Work that was put back.", registry=registry)
        self._ready = Gauge("millet_model_ready", "1 while a model answers.", ["model"], registry=registry)
        self._wait_s = self._histogram("queue_wait_seconds", "From complete to begun.", WAIT_S, "priority")
        self._batch_windows = self._histogram("batch_windows", "Windows of each batch.", BATCH_WINDOWS)
        self._batch_s = self._histogram("batch_duration_seconds", "Time of a batch on its device.", BATCH_S)
        self._score = self._histogram("nodule_score", "Scores of reported nodules.", SCORES)
        for priority in Priority:
            self._oldest_s.labels(priority)
            self._wait_s.labels(priority)
        for result in Attempt:
            self._attempts.labels(result)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"millet_{name}", meaning, labels, buckets=buckets, registry=self._registry)

    def oldest_waits(self, seconds: Mapping[int, float]) -> None:
        """What waits longest was looked up, by urgency; nothing waits of one that is not named."""
        waits = dict.fromkeys(Priority, 0.0)
        for urgency, waited_s in seconds.items():
            waits[priority_of(urgency)] = max(waits[priority_of(urgency)], waited_s)
        for priority, waited_s in waits.items():
            self._oldest_s.labels(priority).set(waited_s)

    def begun(self, urgency: int, waited_s: float) -> None:
        """A complete series was taken up, so long after it was complete."""
        self._wait_s.labels(priority_of(urgency)).observe(max(waited_s, 0.0))

    def attempted(self, result: Attempt) -> None:
        """An attempt at an analysis ended."""
        self._attempts.labels(result).inc()

    def recovered(self, pieces: int) -> None:
        """So many pieces of work that nobody had in hand were put back."""
        self._recovered.inc(pieces)

    def ready(self, model: str, *, answers: bool) -> None:
        """A model, `name/version`, answered or failed."""
        self._ready.labels(model).set(answers)

    def batch(self, windows: int, seconds: float) -> None:
        """A device has looked at so many windows at once."""
        self._batch_windows.observe(windows)
        self._batch_s.observe(seconds)

    def scored(self, scores: Iterable[float]) -> None:
        """Nodules were reported."""
        for score in scores:
            self._score.observe(score)
