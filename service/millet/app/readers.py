"""What readers say: journalled, counted, and kept in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millet.core.audit import Event, Kind
from millet.core.readers import Acknowledgement, Feedback, Person
from millet.edge.telemetry import ReaderMetrics
from millet.ports import About, Acknowledged, ReaderLog, SeriesKey, Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedReaders:
    """A `ReaderLog` that keeps who said something of which series; never a comment or a place."""

    log: ReaderLog
    record: Callable[[Event], None]

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """See `ports.ReaderLog`; each series of the study has a line of its own."""
        done = self.log.acknowledge(about, said)
        if done.taken is Taken.NEW:
            for key, one in ((about.key, said), *done.others):
                self._tell(key, one.by, _seen(one))
        return done

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """See `ports.ReaderLog`."""
        taken = self.log.give_feedback(about, said)
        if taken is Taken.NEW:
            self._tell(about.key, said.by, f"{said.opinion} a nodule of generation {said.generation}")
        return taken

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """See `ports.ReaderLog`."""
        return self.log.acknowledgements(key)

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """See `ports.ReaderLog`."""
        return self.log.feedback(key)

    def _tell(self, key: SeriesKey, by: Person, what: str) -> None:
        told = what if by.recognised else f"{what} (named by the caller)"
        self.record(Event(kind=Kind.ANSWERED, who=by.name, what=told, series_uid=key.series_uid))


def _seen(said: Acknowledgement) -> str:
    verb = "took back having seen" if said.withdrawn else "has seen"
    return f"{verb} {said.level or 'no analysis'} of generation {said.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedReaders:
    """A `ReaderLog` that counts what is said, and measures how long a level waited to be seen."""

    log: ReaderLog
    told_utc: Callable[[SeriesKey, int], datetime | None]
    """When the level of a generation was told."""
    metrics: ReaderMetrics

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """See `ports.ReaderLog`; each series of the study is counted."""
        done = self.log.acknowledge(about, said)
        if done.taken is Taken.NEW and not said.withdrawn:
            for key, one in ((about.key, said), *done.others):
                self._count(key, one)
        return done

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

    def _count(self, key: SeriesKey, said: Acknowledgement) -> None:
        told_utc = self.told_utc(key, said.generation)
        if told_utc is not None and said.level is not None:
            self.metrics.acknowledged(said.level, (said.at_utc - told_utc).total_seconds())
