"""The metrics of notifications: who was told of which levels."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from millet.core.analysis import TriageLevel
from millet.core.notification import Change, News


class NoticeMetrics:
    """By recipient, of whom the configured ones are all there are. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._told = Counter(
            "millet_notifications",
            "Studies of which a recipient was told, by their level then and by how it had changed.",
            ["destination", "level", "change"],
            registry=registry,
        )

    def planned(self, recipients: Sequence[str]) -> None:
        """These will be told."""
        for name in recipients:
            for level in TriageLevel:
                for change in Change:
                    self._told.labels(name, level, change)

    def told(self, recipient: str, news: News) -> None:
        """A recipient is told of a study."""
        self._told.labels(recipient, news.standing.level, news.change).inc()
