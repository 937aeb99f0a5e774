"""The part that answers: gRPC, page, metrics, health, and instances over HTTP, in one event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from millet.app.doors import Doors
from millet.app.gate import api_doors
from millet.app.patience import patience
from millet.app.pulling import fetching
from millet.app.readers import AuditedReaders, CountedReaders
from millet.app.receiving import Receiving
from millet.core.language import Language
from millet.core.roles import Role
from millet.edge import criteria
from millet.edge.grpc_api import GrpcServer, GrpcSources, Inward, Submissions
from millet.edge.journal import SqlJournal
from millet.edge.telemetry import Telemetry
from millet.edge.web import Sources, Stow, Voice, WatchServer, WebServer
from millet.flow.event_loop import EventLoop
from millet.flow.lifecycle import Part
from millet.ports import Clock, ReaderLog, Site
from millet.settings import Settings

GRPC_ENDS_WITHIN_S = 2.0
ENDS_WITHIN_S = 10.0
"""For a server, whatever its callers do."""
STOW_TITLE = "STOW-RS"
"""As what instances that come over HTTP are journalled, where a calling AE title stands for others."""
GRPC_TITLE = "GRPC"
"""Likewise, over gRPC."""


def watched(chosen: Settings, ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> Part:
    """Metrics and health alone, on a port of their own."""
    loop, server = EventLoop("metrics"), WatchServer(ready, metrics)

    def start() -> None:
        loop.start()
        loop.call(server.start(chosen.metrics_host, chosen.metrics_port))

    def stop(_within_s: float) -> bool:
        ended = loop.ends(server.stop(), ENDS_WITHIN_S)
        loop.stop()
        return ended

    return Part(name="metrics", start=start, stop=stop)


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Whoever asks is answered from the journal."""

    chosen: Settings
    journal: SqlJournal
    read: Callable[[str], bytes]
    """An instance in the spool."""
    clock: Clock
    doors: Doors
    telemetry: Telemetry
    ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[], bytes]
    receiving: Receiving | None
    """Where instances go that come over HTTP and gRPC; None where this process does not receive."""

    def part(self) -> Part:
        """Make the part."""
        chosen, loop, doors = self.chosen, EventLoop("api"), api_doors(self.doors)
        grpc = GrpcServer(
            self._grpc_sources(),
            gate=doors.gate,
            credentials=doors.grpc_credentials,
        )
        web = WebServer(replace(self._sources(), calls=grpc.calls), doors.web)
        self.journal.watch(grpc.wake)
        self.journal.watch(web.wake)

        def start() -> None:
            loop.start()
            loop.call(grpc.start(chosen.host, chosen.grpc_port))
            loop.call(web.start(chosen.host, chosen.web_port))

        def stop(within_s: float) -> bool:
            ended = loop.ends(grpc.stop(min(within_s, GRPC_ENDS_WITHIN_S)), ENDS_WITHIN_S)
            ended = loop.ends(web.stop(), ENDS_WITHIN_S) and ended
            loop.stop()
            return ended

        return Part(name="api", start=start, stop=stop)

    @property
    def _readers(self) -> ReaderLog:
        counted = CountedReaders(
            log=self.journal, told_utc=self.journal.told_utc, metrics=self.telemetry.readers
        )
        return AuditedReaders(log=counted, record=self.doors.record)

    def _grpc_sources(self) -> GrpcSources:
        return GrpcSources(
            worklist=self.journal,
            readers=self._readers,
            ready=self.ready,
            telemetry=self.telemetry,
            utc=self.clock.utc,
            criteria=criteria.read(self.chosen.criteria_dir),
            inward=self._inward(),
            slices=self.journal,
            read=self.read,
        )

    def _inward(self) -> Inward:
        chosen, receiving = self.chosen, self.receiving
        if receiving is None:
            return Inward()
        door = receiving.door
        submissions = Submissions(
            source=Site(chosen.site, GRPC_TITLE, chosen.ae_title),
            reception=receiving.receptions.associated,
            number=door.number,
            ended=door.ended,
            came=receiving.events.stored,
            most=chosen.grpc_submits,
        )
        return Inward(
            site=chosen.site,
            submissions=submissions if chosen.grpc_submits else None,
            pulls=fetching(chosen, self.journal, door, self.clock),
        )

    def _sources(self) -> Sources:
        chosen = self.chosen
        return Sources(
            worklist=self.journal,
            board=self.journal,
            readers=self._readers,
            ready=self.ready,
            metrics=self.metrics,
            show_patient=chosen.show_patient,
            show_to=Role.parse(chosen.show_patient_role),
            patience=patience(chosen),
            now_utc=self.clock.utc,
            slices=self.journal,
            read=self.read,
            voice=Voice(Language(chosen.language)),
            destination=", ".join(one.name for one in chosen.all_destinations),
            stow=self._stow(),
        )

    def _stow(self) -> Stow | None:
        chosen = self.chosen
        if not chosen.stow or self.receiving is None:
            return None
        door = self.receiving.door
        return Stow(
            source=lambda _request: Site(chosen.site, STOW_TITLE, chosen.ae_title),
            admit=door.admit,
            ended=door.ended,
            number=door.number,
            body_bytes=chosen.stow_body_bytes,
            object_bytes=chosen.most_instance_bytes,
            requests=chosen.stow_requests,
        )
