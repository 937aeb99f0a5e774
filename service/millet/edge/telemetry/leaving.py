"""The metrics of what leaves: deliveries, their destinations, and what waits for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from millet.core.breaker import Position

DELIVERY_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
OTHER = "other"
"""Destinations for which deliveries wait, and which are configured no longer."""


class Delivered(StrEnum):
    """How one try of a delivery ended."""

    DELIVERED = "delivered"
    SENT = "sent"
    REPLACED = "replaced"
    RETRIED = "retried"
    AWAY = "away"
    DEAD = "dead"


class Leaving:
    """Metrics by destination. The names of the configured ones are the closed set of that label."""

    def __init__(self, registry: CollectorRegistry, destinations: Sequence[str]) -> None:
        self._destinations = (*destinations, OTHER)
        by = ["destination"]
        self._deliveries = Counter(
            "millet_deliveries", "Tries to deliver an object.", [*by, "result"], registry=registry
        )
        self._waiting = Gauge("millet_outbox_deliveries", "Deliveries that wait.", by, registry=registry)
        self._oldest_s = Gauge(
            "millet_outbox_oldest_age_seconds",
            "Age of the oldest that waits; 0 for none.",
            by,
            registry=registry,
        )
        self._dead = Gauge(
            "millet_dead_letters",
            "Deliveries that were given up, and neither replayed nor dismissed.",
            by,
            registry=registry,
        )
        self._breaker = Gauge(
            "millet_destination_breaker",
            "1 for where a destination's breaker stands in this process.",
            [*by, "position"],
            registry=registry,
        )
        self._duration_s = Histogram(
            "millet_delivery_duration_seconds",
            "Handing one object over, well or not.",
            by,
            buckets=DELIVERY_S,
            registry=registry,
        )
        self._answers = Gauge(
            "millet_destination_answers",
            "1 while a destination answers, 0 while it does not.",
            by,
            registry=registry,
        )
        for name in self._destinations:
            self._answers.labels(name).set(math.nan)
            self._duration_s.labels(name)
            self.waiting(name, 0, 0.0, 0)
            for result in Delivered:
                self._deliveries.labels(name, result)
            if name != OTHER:
                self.breaker(name, Position.CLOSED)

    def delivery(self, destination: str, result: Delivered) -> None:
        """A delivery was tried."""
        self._deliveries.labels(self._known(destination), result).inc()

    def answers(self, destination: str, *, is_so: bool) -> None:
        """A destination was asked whether it is there."""
        self._answers.labels(self._known(destination)).set(is_so)

    def took(self, destination: str, seconds: float) -> None:
        """A try of a delivery ended."""
        self._duration_s.labels(self._known(destination)).observe(seconds)

    def waiting(self, destination: str, waiting: int, oldest_s: float, dead: int) -> None:
        """What waits for a destination, and what was given up, was counted."""
        self._waiting.labels(destination).set(waiting)
        self._oldest_s.labels(destination).set(oldest_s)
        self._dead.labels(destination).set(dead)

    def backlog(self, counted: Mapping[str, tuple[int, float, int]]) -> None:
        """Everything was counted: number, age of the oldest and dead letters by destination."""
        total = dict.fromkeys(self._destinations, (0, 0.0, 0))
        for name, (waiting, oldest_s, dead) in counted.items():
            known = self._known(name)
            before = total[known]
            total[known] = before[0] + waiting, max(before[1], oldest_s), before[2] + dead
        for name, numbers in total.items():
            self.waiting(name, *numbers)

    def breaker(self, destination: str, position: Position) -> None:
        """Where a destination's breaker stands."""
        for one in Position:
            self._breaker.labels(destination, one).set(one is position)

    def _known(self, destination: str) -> str:
        return destination if destination in self._destinations else OTHER
