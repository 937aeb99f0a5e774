"""Metrics of who was not let in, of certificates, and of the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge

from millet.core.doors import Why
from millet.core.roles import Verdict


class ApiDoor(StrEnum):
    """Where somebody was turned away."""

    GRPC = "grpc"
    HTTP = "http"


class SecretFile(StrEnum):
    """What is renewed without a restart."""

    TLS = "tls"
    ACCESS = "access"


class DoorMetrics:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"millet_{name}", meaning, labels, registry=registry)

        self._refused = counter("dicom_associations_refused", "Association requests refused.", "reason")
        self._turned_away = counter("api_turned_away", "Calls that were not answered.", "door", "verdict")
        self._not_renewed = counter("renewals_failed", "Changed files that could not be used.", "file")
        self._audit_lost = counter("audit_events_lost", "Events that found no room in the audit trail.")
        self._left = Gauge(
            "millet_certificate_left_seconds",
            "Time until a certificate expires.",
            ["certificate"],
            registry=registry,
        )
        _start(self._refused, Why)
        _start(self._not_renewed, SecretFile)
        for door in ApiDoor:
            for verdict in (Verdict.UNKNOWN, Verdict.DENIED):
                self._turned_away.labels(door, verdict)

    def refused(self, why: Why) -> None:
        """An association was refused."""
        self._refused.labels(why).inc()

    def turned_away(self, door: ApiDoor, verdict: Verdict) -> None:
        """A call was refused."""
        self._turned_away.labels(door, verdict).inc()

    def not_renewed(self, file: SecretFile) -> None:
        """A changed file could not be used; the old one is."""
        self._not_renewed.labels(file).inc()

    def audit_lost(self, events: int) -> None:
        """Events found no room."""
        self._audit_lost.inc(events)

    def certificate_left(self, certificate: str, seconds: float) -> None:
        """How long a certificate still holds, by its name; NaN where it was not seen yet."""
        self._left.labels(certificate).set(seconds)


def _start(metric: Counter, labels: Iterable[str]) -> None:
    for label in labels:
        metric.labels(label)
