"""Spans on their way to an OpenTelemetry collector, by OTLP over gRPC.

They are sent by a thread of their own, a batch at a time; what a collector that is away does not take is
dropped, and nobody waits for it.
"""

from __future__ import annotations

from datetime import datetime

from millet.core.trace import Span
from millet.errors import SettingsError

EVERY_MS = 1000
MOST_WAITING = 8192
"""Spans; of a series there are some thirty."""


class Traces:
    """Sends spans to one collector. Raises SettingsError where OpenTelemetry is not installed."""

    def __init__(self, collector: str, executor: str, version: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise SettingsError(["traces_to: install millet[traces]"]) from error
        exporter = OTLPSpanExporter(endpoint=collector, insecure=collector.startswith("http://"))
        self._out = BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=EVERY_MS)
        self._resource = Resource(
            {"service.name": "millet", "service.version": version, "service.instance.id": executor}
        )

    def tell(self, span: Span) -> None:
        """Send a span. Never blocks, never raises."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

        def context(number: str) -> SpanContext:
            flags = TraceFlags(TraceFlags.SAMPLED)
            return SpanContext(int(span.trace, 16), int(number, 16), is_remote=True, trace_flags=flags)

        self._out.on_end(
            ReadableSpan(
                name=span.name,
                context=context(span.number),
                parent=context(span.parent_number) if span.parent else None,
                resource=self._resource,
                attributes={f"millet.{name}": fact for name, fact in span.facts.items()},
                status=Status(StatusCode.ERROR if span.failed else StatusCode.OK),
                start_time=_ns(span.began_utc),
                end_time=_ns(span.ended_utc),
            )
        )

    def stop(self) -> None:
        """Send what waits, and end."""
        self._out.shutdown()  # type: ignore[no-untyped-call]  # theirs has no types


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6) * 1000
