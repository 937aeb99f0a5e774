"""The service: the parts that one process runs, and what they tell each other.

`run` builds the parts that the configured roles need and gives them to a `Lifecycle`; a part that lets
work in starts last and stops first.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cached_property

from prometheus_client import CollectorRegistry

from millet import __version__
from millet.app.doors import Doors, check
from millet.app.receiving import Receiving
from millet.core.job import State
from millet.core.retry import Patience
from millet.edge import malloc
from millet.edge.folder import FolderDestination
from millet.edge.grpc_api import GrpcServer
from millet.edge.journal import DurableWork, JournalClock, SqlJournal, journal_url, migrate, open_engine
from millet.edge.scu import StorageScu
from millet.edge.store import LogSpool, ObjectFolder
from millet.edge.telemetry import Events, Telemetry, configure
from millet.edge.web import Sources, WebServer
from millet.errors import StoreError
from millet.flow.event_loop import EventLoop
from millet.flow.lifecycle import Lifecycle, Loop, Part
from millet.flow.outbox import Outbox
from millet.ports import Delivery, Destination, WorklistQuery
from millet.settings import Settings
from millet.settings.security import rules

log = logging.getLogger(__name__)

OUTBOX_EVERY_S = 1.0
CLOCK_EVERY_S = 60.0
"""How often the database is asked for its time; in between this host counts on."""


def run(chosen: Settings) -> None:
    """Serve until a signal says stop. Raises ServiceError or OSError when it cannot start."""
    configure(chosen.log_level)
    malloc.give_back_large()
    service = Service(chosen)
    lifecycle = Lifecycle(service.parts(), drain_s=chosen.drain_s, monotonic_s=time.monotonic)
    lifecycle.serve(service.opened)
    log.info("stopped")


class Service:
    """Everything that one process runs, and what its parts tell each other."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        check(chosen, list(self._destinations))
        self._telemetry = Telemetry(CollectorRegistry(), __version__)
        named = [one.ae_title for one in rules(chosen).peers]
        self._events = Events(self._telemetry, named, self._since_last_instance_s)
        self._serving = False
        self._executor_id = f"{socket.gethostname()}-{chosen.slot}"
        self._engine = open_engine(journal_url(chosen.journal_url, chosen.state_dir))
        migrate(self._engine)
        self._clock = JournalClock(self._engine)
        self._spool = LogSpool(
            chosen.state_dir / "spool", self._executor_id, reserve_bytes=chosen.spool_reserve_bytes
        )
        self._objects = ObjectFolder(chosen.state_dir / "objects")
        self._doors = Doors(chosen, self._executor_id, self._clock, self._telemetry.doors)
        self._work = DurableWork(self._engine, executor_id=self._executor_id, clock=self._clock)
        self._journal = SqlJournal(self._engine, self._work.enqueue, self._objects)

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
            self._engine.dispose()
            return True

        store = Part(name="journal", start=ticking.start, stop=let_go)
        return (store, *(make() for role, make in named.items() if role in self._settings.roles))

    def opened(self) -> None:
        """Everything runs."""
        self._serving = True
        log.info("ready", extra={"roles": ",".join(self._settings.roles)})

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
        )

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
            destinations=tuple(self._destinations),
            routed=self._doors.rules.destinations,
            events=self._events,
            telemetry=self._telemetry,
        ).part()

    # deliver: the outbox to its destinations

    @cached_property
    def _destinations(self) -> Mapping[str, Destination]:
        """By the name under which deliveries are journalled."""
        chosen = self._settings
        if (peer := chosen.destination_peer) is None:
            return {chosen.destination: FolderDestination(chosen.state_dir / "reports")}
        return {chosen.destination: StorageScu(peer, chosen.ae_title)}

    def _deliver_part(self) -> Part:
        chosen = self._settings
        patience = Patience(
            first_s=chosen.retry_first_s, longest_s=chosen.retry_longest_s, give_up_s=chosen.retry_for_s
        )
        outbox = Outbox(self._journal, self._objects, self._destinations, patience, self._clock)
        loop = Loop("outbox", lambda: outbox.step(random.random, self._events.delivery), OUTBOX_EVERY_S)
        self._journal.watch(loop.wake)

        def stop(within_s: float) -> bool:
            outbox.stop()
            return loop.stop(within_s)

        return Part(name="deliver", start=loop.start, stop=stop)

    def _since_last_instance_s(self, delivery: Delivery) -> float | None:
        query = WorklistQuery(site=delivery.site, series_uid=delivery.series_uid)
        ages = [self._clock.utc() - status.last_received_utc for status in self._journal.series(query)]
        return ages[0].total_seconds() if ages else None

    # api: gRPC, page, metrics and health, in one event loop

    def _api_part(self) -> Part:
        from millet.app.gate import api_doors  # which loads gRPC and HTTP

        chosen, loop, doors = self._settings, EventLoop("api"), api_doors(self._doors)
        grpc = GrpcServer(
            worklist=self._journal,
            ready=self._ready,
            telemetry=self._telemetry,
            gate=doors.gate,
            credentials=doors.grpc_credentials,
        )
        web = WebServer(
            Sources(
                worklist=self._journal,
                ready=self._ready,
                metrics=self._metrics,
                show_patient=chosen.show_patient,
                destination=chosen.destination,
            ),
            doors.web,
        )
        self._journal.watch(grpc.wake)

        def start() -> None:
            loop.start()
            loop.call(grpc.start(chosen.host, chosen.grpc_port))
            loop.call(web.start(chosen.host, chosen.web_port))

        def stop(within_s: float) -> bool:
            loop.call(grpc.stop(min(within_s, 2.0)))
            loop.call(web.stop())
            loop.stop()
            return True

        return Part(name="api", start=start, stop=stop)

    def _ready(self) -> Mapping[str, str]:
        """What must be so before work is sent here; an empty string is well."""
        return {
            "started": "" if self._serving else "the model and the other parts are still starting",
            "journal": self._journal_ill(),
            "spool": self._spool_ill(),
        }

    def _journal_ill(self) -> str:
        try:
            self._journal.counts()
        except StoreError as failure:
            return str(failure)
        return ""

    def _spool_ill(self) -> str:
        short = self._spool.free_bytes() < self._settings.spool_reserve_bytes
        return "less free space than the reserve: instances are refused" if short else ""

    def _metrics(self) -> bytes:
        """The exposition, with the gauges as they are now."""
        states, _ = self._journal.counts()
        self._telemetry.jobs({State(state): count for state, count in states.items()})
        self._telemetry.triage_changes(self._journal.triage_changes())
        self._telemetry.series_open(states.get(State.RECEIVING.value, 0))
        self._telemetry.associations_open(self._receiving.associations)
        self._telemetry.spool_free(self._spool.free_bytes())
        self._telemetry.clock_skew(self._clock.skew_s)
        self._doors.measure(self._clock.utc())
        self._telemetry.outbox(*self._journal.waiting(self._clock.utc()))
        return self._telemetry.exposition()
