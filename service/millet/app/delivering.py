"""The part that delivers: an outbox and its threads for each destination, and what is told of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import monotonic

from millet.app.canary import Drawn, Returned
from millet.app.notifying import notifying, rules_of
from millet.app.tracing import Tracing
from millet.core.canary import NAME
from millet.core.media import NOTIFYING
from millet.core.retry import Patience
from millet.edge.destinations import (
    Door,
    FolderDestination,
    HttpDestination,
    Images,
    MllpDestination,
    StorageScu,
    StowDestination,
    TlsFiles,
)
from millet.edge.journal import Deliveries, SqlJournal, journal_url, open_engine
from millet.edge.query import Caller, DimseArchive, Limits, WebArchive, WebCaller
from millet.edge.telemetry import Events, Telemetry
from millet.errors import StoreError
from millet.flow.kept import Queries
from millet.flow.lifecycle import Loop, Part
from millet.flow.newest import Newest
from millet.flow.notify import Notifier
from millet.flow.outbox import Outbox, Route
from millet.ports import Archive, Clock, DeadLetters, Delivery, Destination, ObjectStore, Site, Verifier
from millet.settings import DestinationSection, Settings

OUTBOX_EVERY_S = 1.0
ENDING_S = 0.1
"""Given to a thread that has nothing in hand, after another one has used up the time."""


@dataclass(frozen=True, kw_only=True)
class Delivering:
    """Deliveries that the journal holds -> their destinations, each by itself."""

    chosen: Settings
    holder: str
    """Of this process, as the journal knows it."""
    clock: Clock
    journal: SqlJournal
    objects: ObjectStore
    events: Events
    telemetry: Telemetry
    questions: Verifier
    """For destinations that are asked to commit."""
    tracing: Tracing
    drawn: Drawn | None = None
    """What the canary's reports are compared with."""

    def part(self) -> Part:
        """An outbox for each destination, and as many threads as it may have."""
        loops = [loop for section in self.chosen.all_destinations for loop in self._loops(section)]
        if self.drawn:
            loops += self._threads(self._canary(self.drawn), 1)
        loops += self._notifies()
        for loop in loops:
            self.journal.watch(loop.wake)

        def start() -> None:
            self.journal.let_go(self.holder)
            for loop in loops:
                loop.start()

        def stop(within_s: float) -> bool:
            for outbox in self._outboxes.values():
                outbox.stop()
            if self.drawn:
                self.drawn.stop()
            ends_s = monotonic() + within_s
            ended = [loop.stop(max(ends_s - monotonic(), ENDING_S)) for loop in loops]
            return all(ended)

        return Part(name="deliver", start=start, stop=stop)

    def tell(self) -> None:
        """Count what waits, and say where the breakers stand, as metrics."""
        self.telemetry.leaving.backlog(self.journal.backlog())
        for name, outbox in self._outboxes.items():
            self.telemetry.leaving.breaker(name, outbox.position)

    def _notifies(self) -> Iterator[Loop]:
        """One loop, where somebody wants to hear of levels."""
        if rules := rules_of(self.chosen):
            self.telemetry.notices.planned(tuple(rules))
            notifier = Notifier(self.journal, self.objects, self.clock, rules, self.events.notified)
            yield Loop("notify", notifier.step, OUTBOX_EVERY_S)

    @cached_property
    def _outboxes(self) -> dict[str, Outbox]:
        return {}

    def _loops(self, section: DestinationSection) -> Iterator[Loop]:
        return self._threads(self._route(section), section.concurrency)

    def _threads(self, route: Route, concurrency: int) -> Iterator[Loop]:
        outbox = self._outboxes[route.name] = Outbox(
            route, self.journal, self.objects, self.clock, self.holder, random.random
        )
        for number in range(concurrency):
            name = f"outbox {route.name} {number}"
            yield Loop(name, lambda: outbox.step(self.events.delivery), OUTBOX_EVERY_S)

    def _canary(self, drawn: Drawn) -> Route:
        """Whether one is sent from here or not: another process may send it."""
        returned = Returned(drawn, self.telemetry.canary, self.clock, self.events.since_last_instance_s)
        return Route(name=NAME, destination=self._timed(NAME, returned), patience=self._patience)

    def _timed(self, name: str, to: Destination) -> Destination:
        def took(delivery: Delivery, began_utc: datetime, error: str) -> None:
            seconds = (self.clock.utc() - began_utc).total_seconds()
            self.telemetry.leaving.took(name, max(seconds, 0.0))
            self.tracing.delivered(delivery, began_utc, error)

        return _Timed(to, self.clock, took)

    def _route(self, section: DestinationSection) -> Route:
        to = destination(section, self.chosen, self.clock.utc, self.journal.images)
        made = self._timed(section.name, to)
        if section.is_told:
            made = Newest(made, self.journal)
        verifier = self._verifier(section)
        return Route(name=section.name, destination=made, patience=self._patience, verifier=verifier)

    @property
    def _patience(self) -> Patience:
        chosen = self.chosen
        return Patience(
            first_s=chosen.retry_first_s, longest_s=chosen.retry_longest_s, give_up_s=chosen.retry_for_s
        )

    def _verifier(self, section: DestinationSection) -> Verifier | None:
        match section.verify:
            case "commitment":
                return self.questions
            case "query":
                return Queries(_archive(section, self.chosen))
        return None


@dataclass(frozen=True)
class _Timed:
    """A destination whose tries are timed, well or not."""

    to: Destination
    clock: Clock
    took: Callable[[Delivery, datetime, str], None]
    """Told of each try when it began and what kind of failure ended it, empty for none."""

    @property
    def limit_s(self) -> float:
        """See `ports.Destination`."""
        return self.to.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """See `ports.Destination`."""
        began_utc, error = self.clock.utc(), ""
        try:
            self.to.deliver(delivery, encoded)
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            self.took(delivery, began_utc, error)


def destination(
    section: DestinationSection,
    chosen: Settings,
    now_utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    images: Images = lambda _: (),
) -> Destination:
    """What a section of the settings describes; signatures and mails need the time, tasks their images."""
    tls = _tls(section)
    door = Door(
        url=section.to,
        tls=tls,
        token_file=section.token_file,
        timeout_s=section.timeout_s,
        limit_s=section.limit_s,
    )
    match section.kind:
        case "dicom":
            return StorageScu(
                section.peer,
                section.calling_ae or chosen.ae_title,
                timeout_s=section.timeout_s,
                limit_s=section.limit_s,
                tls=tls if section.tls else None,
            )
        case "stow":
            return StowDestination(door)
        case "http":
            return HttpDestination(door)
        case kind if kind in NOTIFYING:
            return notifying(section, chosen, door, now_utc, images)
        case "mllp":
            wanted = tls if section.tls else None
            return MllpDestination(*section.address, wanted, section.timeout_s, section.limit_s)
    root = chosen.state_dir / "reports" if section.to == "folder" else Path(section.to)
    return FolderDestination(root)


def askable(chosen: Settings) -> Mapping[str, Caller]:
    """Whom we ask to commit, by the name of the destination."""
    return {one.name: _caller(one, chosen) for one in chosen.all_destinations if one.verify == "commitment"}


def _archive(section: DestinationSection, chosen: Settings) -> Archive:
    """A destination as one that can be searched."""
    if section.kind == "dicom":
        return DimseArchive(_caller(section, chosen), (), chosen.site, None)
    web = WebCaller(url=section.to, limits=_limits(section), tls=_tls(section), token_file=section.token_file)
    return WebArchive(web, Site(chosen.site, section.name, chosen.ae_title))


def _caller(section: DestinationSection, chosen: Settings) -> Caller:
    return Caller(
        peer=section.peer,
        calling_ae=section.calling_ae or chosen.ae_title,
        limits=_limits(section),
        tls=_tls(section) if section.tls else None,
    )


def _limits(section: DestinationSection) -> Limits:
    return Limits(connect_s=section.timeout_s, answer_s=section.timeout_s, retrieve_s=section.limit_s)


def _tls(section: DestinationSection) -> TlsFiles:
    return TlsFiles(roots=section.roots, certificate=section.certificate, key=section.key)


@contextmanager
def dead_letters(chosen: Settings) -> Iterator[DeadLetters]:
    """The journal's dead letters, whether the service runs or not. Raises StoreError."""
    if not chosen.journal_url and not (chosen.state_dir / "journal.db").is_file():
        raise StoreError(f"there is no journal in {chosen.state_dir}")
    engine = open_engine(journal_url(chosen.journal_url, chosen.state_dir))
    try:
        yield Deliveries(engine, _enqueue_nothing)
    finally:
        engine.dispose()


def _enqueue_nothing(*_: object) -> None:
    """Replaying makes no analysis."""
