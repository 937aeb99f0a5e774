"""What the parts of the service tell of each series as spans, where a collector is configured."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock

from millet.core.analysis import Analysis
from millet.core.trace import ROOT, Span, trace_of
from millet.flow.intake import Fact
from millet.ports import Clock, Delivery, Work

REMEMBERED = 10_000
"""Associations and pieces of work whose times are kept for what becomes of them."""

Tell = Callable[[Span], None]


class Tracing:
    """One process's part of every trace. Thread-safe."""

    def __init__(self, tell: Tell, clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._associations: OrderedDict[int, tuple[datetime, datetime | None]] = OrderedDict()
        self._stages: OrderedDict[tuple[int, int], list[tuple[str, datetime]]] = OrderedDict()
        self._lock = Lock()

    def association_began(self, number: int) -> None:
        """An association was accepted."""
        with self._lock:
            self._associations[number] = self._clock.utc(), None
            if len(self._associations) > REMEMBERED:
                self._associations.popitem(last=False)

    def association_ended(self, number: int) -> None:
        """It is over."""
        with self._lock:
            if known := self._associations.get(number):
                self._associations[number] = known[0], self._clock.utc()

    def closed(self, facts: Mapping[str, Fact]) -> None:
        """A series is complete: see `flow.intake.Tell`."""
        now = self._clock.utc()
        trace, last = str(facts["trace"]), now - timedelta(seconds=float(facts["waited_s"]))
        with self._lock:
            numbers = [int(one) for one in str(facts["associations"]).split()]
            known = {one: self._associations[one] for one in numbers if one in self._associations}
        began = min((first for first, _ in known.values()), default=last)
        told = {"closed_by": facts["closed_by"], "generation": facts["generation"], "site": facts["site"]}
        self._tell(Span(trace=trace, name=ROOT, parent="", began_utc=began, ended_utc=now, facts=told))
        for number, (first, end) in known.items():
            one = Span(
                trace=trace,
                name="association",
                key=f"{number} {first}",
                began_utc=first,
                ended_utc=end or now,
            )
            self._tell(one)
        self._tell(Span(trace=trace, name="assemble", began_utc=min(last, now), ended_utc=now))

    def stage(self, work: Work, stage: str) -> None:
        """A piece of work is in a stage, which may be told often."""
        with self._lock:
            stages = self._stages.setdefault((work.series_id, work.generation), [])
            if not stages or stages[-1][0] != stage:
                stages.append((stage, self._clock.utc()))
            if len(self._stages) > REMEMBERED:
                self._stages.popitem(last=False)

    def committed(self, work: Work, analysis: Analysis) -> None:
        """A piece of work is over, and its analysis is in the journal."""
        now, trace = self._clock.utc(), trace_of(work.key.site, work.key.series_uid, work.generation)
        stages = self._over(work) or [("report", now)]
        began, ends = stages[0][1], [begun for _, begun in stages[1:]] + [now]
        closed = min(work.closed_utc, began)
        self._tell(Span(trace=trace, name="queue", began_utc=closed, ended_utc=began))
        by = analysis.provenance
        facts = {
            "outcome": analysis.outcome.value,
            "reason": analysis.reason_code,
            "model": f"{by.model_name}/{by.model_version}",
            "provider": by.provider,
        }
        self._tell(Span(trace=trace, name="analyse", began_utc=began, ended_utc=now, facts=facts))
        for (stage, begun), end in zip(stages, ends, strict=True):
            self._tell(
                Span(
                    trace=trace, name=stage, key=str(begun), parent="analyse", began_utc=begun, ended_utc=end
                )
            )

    def failed(self, work: Work, failure: Exception) -> None:
        """An attempt at it failed."""
        now, trace = self._clock.utc(), trace_of(work.key.site, work.key.series_uid, work.generation)
        stages = self._over(work)
        began = stages[0][1] if stages else now
        facts = {"error": type(failure).__name__, "stage": stages[-1][0] if stages else ""}
        self._tell(
            Span(
                trace=trace,
                name="attempt",
                key=str(began),
                began_utc=began,
                ended_utc=now,
                facts=facts,
                failed=True,
            )
        )

    def delivered(self, delivery: Delivery, began_utc: datetime, error: str) -> None:
        """A try to deliver is over; `error` is the kind of what went wrong, empty where nothing did."""
        facts = {"kind": delivery.kind, "destination": delivery.destination, "error": error}
        self._tell(
            Span(
                trace=trace_of(delivery.site, delivery.series_uid, delivery.generation),
                name="deliver",
                key=f"{delivery.delivery_id} {began_utc.astimezone(UTC)}",
                began_utc=began_utc,
                ended_utc=self._clock.utc(),
                facts=facts,
                failed=bool(error),
            )
        )

    def _over(self, work: Work) -> list[tuple[str, datetime]]:
        with self._lock:
            return self._stages.pop((work.series_id, work.generation), [])
