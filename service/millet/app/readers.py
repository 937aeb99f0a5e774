"""What readers say: journalled, counted, and kept in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millet.core.audit import Event, Kind
from millet.core.readers import Acknowledgement, Feedback, Person
from millet.edge.telemetry import ReaderMetrics
from millet.ports import About, ReaderLog, SeriesKey, Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedReaders:
    """A `ReaderLog` that keeps who said something of which series; never a comment or a place."""

    log: ReaderLog
    record: Callable[[Event], None]

    def acknowledge(self, about: About, said: Acknowledgement) -> Taken:
        """See `ports.ReaderLog`."""
        verb = "took back having seen" if said.withdrawn else "has seen"
        what = f"{verb} {said.level or 'no analysis'} of generation {said.generation}"
        return self._told(about, said.by, what, self.log.acknowledge(about, said))

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """See `ports.ReaderLog`."""
        what = f"{said.opinion} a nodule of generation {said.generation}"
        return self._told(about, said.by, what, self.log.give_feedback(about, said))

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """See `ports.ReaderLog`."""
        return self.log.acknowledgements(key)

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """See `ports.ReaderLog`."""
        return self.log.feedback(key)

    def _told(self, about: About, by: Person, what: str, taken: Taken) -> Taken:
        if taken is Taken.NEW:
            said = what if by.recognised else f"{what} (named by the caller)"
            event = Event(kind=Kind.ANSWERED, who=by.name, what=said, series_uid=about.key.series_uid)
            self.record(event)
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedReaders:
    """A `ReaderLog` that counts what is said, and measures how long a level waited to be seen."""

    log: ReaderLog
    told_utc: Callable[[SeriesKey, int], datetime | None]
    """When the level of a generation was told."""
    metrics: ReaderMetrics

    def acknowledge(self, about: About, said: Acknowledgement) -> Taken:
        """See `ports.ReaderLog`."""
        told_utc = None if said.withdrawn else self.told_utc(about.key, said.generation)
        taken = self.log.acknowledge(about, said)
        if taken is Taken.NEW and told_utc is not None and said.level is not None:
            self.metrics.acknowledged(said.level, (said.at_utc - told_utc).total_seconds())
        return taken

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """See `ports.ReaderLog`."""
        taken = self.log.give_feedback(about, said)
        if taken is Taken.NEW:
            self.metrics.judged(said.opinion)
        return taken

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """See `ports.ReaderLog`."""
        return self.log.acknowledgements(key)

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """See `ports.ReaderLog`."""
        return self.log.feedback(key)
