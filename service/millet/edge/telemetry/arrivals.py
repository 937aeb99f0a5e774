"""The metrics of what arrives beyond its counts: how long waiting costs, and which scanners it comes from."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from millet.core.makes import Kernel, Make

FLUSH_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
CLOSING_S = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)


class Arrivals:
    """Declared once, all labels from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._flush_s = Histogram(
            "millet_spool_flush_duration_seconds",
            "Making one instance durable on the disk.",
            buckets=FLUSH_S,
            registry=registry,
        )
        self._closing_s = Histogram(
            "millet_series_assembly_seconds",
            "From a series' last instance to its being taken for complete.",
            buckets=CLOSING_S,
            registry=registry,
        )
        self._used = Gauge(
            "millet_spool_used_ratio", "Used share of where instances are kept.", registry=registry
        )
        self._reserve = Gauge(
            "millet_spool_reserve_bytes", "Free space below which instances are refused.", registry=registry
        )
        self._reopened = Counter(
            "millet_series_reopened", "Series that late instances re-opened.", registry=registry
        )
        self._known = Counter(
            "millet_instances_known", "Instances whose UID was there already.", ["content"], registry=registry
        )
        self._makes = Counter(
            "millet_series_scanner", "Complete series by make.", ["scanner"], registry=registry
        )
        self._kernels = Counter(
            "millet_series_kernel", "Complete series by kernel.", ["kernel"], registry=registry
        )
        for content in ("same", "other"):
            self._known.labels(content)
        for make in Make:
            self._makes.labels(make)
        for kernel in Kernel:
            self._kernels.labels(kernel)

    def flushed(self, seconds: float) -> None:
        """An instance was made durable."""
        self._flush_s.observe(seconds)

    def space(self, used_share: float, reserve_bytes: int) -> None:
        """The disk was looked at; 0 and 0 for a bucket, which has no end."""
        self._used.set(used_share)
        self._reserve.set(reserve_bytes)

    def known(self, *, same: bool) -> None:
        """An instance came again, with the same bytes or with others."""
        self._known.labels("same" if same else "other").inc()

    def reopened(self) -> None:
        """A series that was complete got another instance."""
        self._reopened.inc()

    def complete(self, waited_s: float, make: Make, kernel: Kernel) -> None:
        """A series was taken for complete, so long after its last instance."""
        self._closing_s.observe(waited_s)
        self._makes.labels(make).inc()
        self._kernels.labels(kernel).inc()
