"""The service: the parts that one process runs, and what they tell each other.

`run` builds the parts that the configured roles need and gives them to a `Lifecycle`; a part that lets
work in starts last and stops first.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property

from prometheus_client import CollectorRegistry

from millet import __version__
from millet.app.asking import ArchiveDesk
from millet.app.canary import Canary, Drawn
from millet.app.certificates import Certificates
from millet.app.committing import Committing
from millet.app.delivering import Delivering, askable
from millet.app.doors import Doors, check
from millet.app.keeping import Keeping
from millet.app.patience import patience
from millet.app.probing import Probing
from millet.app.pulling import completing
from millet.app.receiving import Receiving
from millet.app.storing import open_errands, open_objects, open_spool, used_share
from millet.app.tracing import Tracing
from millet.core import canary
from millet.core.doors import USUAL
from millet.core.job import State
from millet.core.language import Language
from millet.core.trace import Span
from millet.edge import malloc
from millet.edge.journal import DurableWork, JournalClock, SqlJournal, journal_url, migrate_apart, open_engine
from millet.edge.telemetry import Devices, Events, Nvml, Telemetry, Traces, configure
from millet.errors import StoreError
from millet.flow.errands import ErrandDesk
from millet.flow.lifecycle import Lifecycle, Loop, Part
from millet.ports import Delivery, WorklistQuery
from millet.settings import Settings
from millet.settings.security import rules

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 60.0
"""How often the database is asked for its time; in between this host counts on."""
DAY = timedelta(days=1)
"""Of which acknowledged studies are counted."""


def run(chosen: Settings, drawn: Drawn | None = None) -> None:
    """Serve until a signal says stop, with a canary if one is drawn.

    Raises ServiceError or OSError when it cannot start.
    """
    configure(chosen.log_level)
    malloc.give_back_large()
    service = Service(chosen, drawn)
    lifecycle = Lifecycle(service.parts(), drain_s=chosen.drain_s, monotonic_s=time.monotonic)
    lifecycle.serve(service.opened)
    log.info("stopped")


class Service:
    """Everything that one process runs, and what its parts tell each other."""

    def __init__(self, chosen: Settings, drawn: Drawn | None = None) -> None:
        self._settings = chosen
        self._drawn = drawn
        names = [one.name for one in chosen.all_destinations]
        check(chosen, names)
        registry = CollectorRegistry()
        self._telemetry = Telemetry(registry, __version__, (*names, canary.NAME))
        self._devices = Devices(registry, gpus(chosen), Nvml())
        self._serving = False
        self._executor_id = f"{socket.gethostname()}-{chosen.slot}"
        self._engine = open_engine(journal_url(chosen.journal_url, chosen.state_dir))
        migrate_apart(self._engine)
        self._clock = JournalClock(self._engine)
        named = [one.ae_title for one in rules(chosen).peers]
        self._events = Events(self._telemetry, named, self._since_last_instance_s, self._clock)
        self._traces = Traces(chosen.traces_to, self._executor_id, __version__) if chosen.traces_to else None
        self._tracing = Tracing(self._traces.tell if self._traces else _untold, self._clock)
        self._telemetry.canary.planned(chosen.canary_every_s)
        if "deliver" in chosen.roles:  # whose start stands for the success before the first
            self._telemetry.canary.succeeded(self._clock.utc().timestamp())
        self._spool = open_spool(chosen, self._executor_id, self._telemetry.arrivals.flushed)
        self._objects = open_objects(chosen)
        self._doors = Doors(chosen, self._executor_id, self._clock, self._telemetry.doors)
        self._work = DurableWork(
            self._engine,
            executor_id=self._executor_id,
            clock=self._clock,
            titles=(USUAL, *self._doors.rules.models),
        )
        self._journal = SqlJournal(self._engine, self._work.enqueue, self._objects, Language(chosen.language))
        self._certificates = Certificates(
            chosen=chosen, metrics=self._telemetry.doors, now_utc=self._clock.utc
        )

    def parts(self) -> Sequence[Part]:
        """The parts of the configured roles, in the order in which they start."""
        named = {
            "api": self._api_part,
            "analyse": self._analyse_part,
            "deliver": self._deliver_part,
            "receive": self._receive_part,
        }
        ticking = Loop("clock", self._clock.measure, CLOCK_EVERY_S)

        def let_go(within_s: float) -> bool:
            ticking.stop(within_s)
            self._work.stop()
            self._doors.stop()
            if self._traces:
                self._traces.stop()
            self._engine.dispose()
            return True

        store = Part(name="journal", start=ticking.start, stop=let_go)
        roles = self._settings.roles
        receives = "receive" in roles
        return (
            store,
            self._watched_part(),
            self._certificates.part(),
            *self._keeping.parts(),
            *([self._committing.part()] if receives else []),
            *(make() for role, make in named.items() if role in roles),
            *([self._canary_part(self._drawn)] if receives and self._drawn else []),
            *([Probing(self._settings, self._telemetry.leaving).part()] if "deliver" in roles else []),
        )

    def opened(self) -> None:
        """Everything runs."""
        self._serving = True
        log.info("ready", extra={"roles": ",".join(self._settings.roles)})

    @property
    def _keeping(self) -> Keeping:
        return Keeping(
            chosen=self._settings,
            clock=self._clock,
            journal=self._journal,
            spool=self._spool,
            objects=self._objects,
            metrics=self._telemetry.room,
        )

    # receive: association -> durable; then -> journal -> "generation N is to be analysed"

    @cached_property
    def _receiving(self) -> Receiving:
        return Receiving(
            chosen=self._settings,
            clock=self._clock,
            journal=self._journal,
            spool=self._spool,
            events=self._events,
            doors=self._doors,
            certificates=self._certificates,
            tracing=self._tracing,
            archive=self._archive,
            errands=self._errands,
            services=self._committing.services,
        )

    @cached_property
    def _archive(self) -> ArchiveDesk | None:
        return completing(self._settings, self._journal, lambda: self._receiving.door, self._clock)

    @cached_property
    def _committing(self) -> Committing:
        return Committing(
            chosen=self._settings,
            clock=self._clock,
            journal=self._journal,
            destinations=askable(self._settings),
        )

    @cached_property
    def _errands(self) -> ErrandDesk:
        """Where receivers and analysers meet over priors that archives send."""
        store = open_errands(self._settings)
        return ErrandDesk(site=self._settings.site, log=self._journal, store=store, clock=self._clock)

    def _receive_part(self) -> Part:
        return self._receiving.part()

    # analyse: claimed work -> analysis, objects and deliveries in one commit

    def _analyse_part(self) -> Part:
        from millet.app.analysing import Analysing  # which loads torch

        return Analysing(
            chosen=self._settings,
            name=self._executor_id,
            clock=self._clock,
            journal=self._journal,
            work=self._work,
            spool=self._spool,
            objects=self._objects,
            destinations=self._settings.all_destinations,
            routed=self._doors.rules.destinations,
            events=self._events,
            telemetry=self._telemetry,
            tracing=self._tracing,
            doors=self._doors,
            errands=self._errands,
        ).part()

    # deliver: to each destination by itself

    @cached_property
    def _delivering(self) -> Delivering:
        return Delivering(
            chosen=self._settings,
            holder=self._executor_id,
            clock=self._clock,
            journal=self._journal,
            objects=self._objects,
            events=self._events,
            telemetry=self._telemetry,
            questions=self._committing.questions,
            tracing=self._tracing,
            drawn=self._drawn,
        )

    def _deliver_part(self) -> Part:
        return self._delivering.part()

    def _since_last_instance_s(self, delivery: Delivery) -> float | None:
        query = WorklistQuery(site=delivery.site, series_uid=delivery.series_uid)
        ages = [self._clock.utc() - status.last_received_utc for status in self._journal.series(query)]
        return ages[0].total_seconds() if ages else None

    def _canary_part(self, drawn: Drawn) -> Part:
        return Canary(drawn, self._settings, self._clock, self._telemetry.canary).part()

    # whatever the roles: metrics and health for machines

    def _watched_part(self) -> Part:
        if not self._settings.metrics_port:
            if "api" not in self._settings.roles:
                log.warning("this process serves neither metrics nor health: set metrics_port")
            return Part(name="metrics")
        from millet.app.answering import watched  # which loads HTTP

        return watched(self._settings, self._ready, self._metrics)

    # api: gRPC, page, metrics and health, in one event loop

    def _api_part(self) -> Part:
        from millet.app.answering import Answering  # which loads gRPC and HTTP

        return Answering(
            chosen=self._settings,
            journal=self._journal,
            clock=self._clock,
            read=self._spool.read,
            doors=self._doors,
            telemetry=self._telemetry,
            ready=self._ready,
            metrics=self._metrics,
            receiving=self._receiving if "receive" in self._settings.roles else None,
        ).part()

    def _ready(self) -> Mapping[str, str]:
        """What must be so before work is sent here; an empty string is well.

        Who only receives does so while the journal is away, too.
        """
        only_receives = set(self._settings.roles) == {"receive"}
        return {
            "started": "" if self._serving else "the model and the other parts are still starting",
            "journal": "" if only_receives else self._journal_ill(),
            "spool": self._spool.ill(),
        }

    def _journal_ill(self) -> str:
        try:
            self._journal.counts()
        except StoreError as failure:
            return str(failure)
        return ""

    def _metrics(self) -> bytes:
        """The exposition, with the gauges as they are now."""
        states, _ = self._journal.counts()
        self._telemetry.working.oldest_waits(self._journal.oldest_waits_s())
        self._telemetry.jobs({State(state): count for state, count in states.items()})
        self._telemetry.triage_changes(self._journal.triage_changes())
        now_utc = self._clock.utc()
        late = patience(self._settings).overdue_before(now_utc)
        self._telemetry.waiting.overdue(self._journal.overview(late).overdue)
        self._telemetry.waiting.flagged(self._journal.flagged(now_utc - DAY))
        self._telemetry.series_open(states.get(State.RECEIVING.value, 0))
        if "receive" in self._settings.roles:
            self._telemetry.associations_open(self._receiving.associations)
        self._telemetry.spool_free(self._spool.free_bytes())
        reserve_bytes = 0 if self._settings.spool_url else self._settings.spool_reserve_bytes
        self._telemetry.arrivals.space(used_share(self._settings), reserve_bytes)
        self._telemetry.clock_skews({**self._journal.skews_s(), self._executor_id: self._clock.skew_s})
        self._certificates.measure()
        self._devices.measure()
        self._delivering.tell()
        return self._telemetry.exposition()


def _untold(_span: Span) -> None:
    """No collector is configured."""


def gpus(chosen: Settings) -> Sequence[int]:
    """The number of the GPU that the configured device names; the first where it names none."""
    if "analyse" not in chosen.roles or chosen.device == "cpu":
        return ()
    return (int(chosen.device.partition(":")[2] or 0),)
