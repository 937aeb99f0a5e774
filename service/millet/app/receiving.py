"""The part that receives: the DICOM port, what is durable, and when a series is complete."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from threading import Lock
from time import perf_counter

from millet.app.asking import ArchiveDesk
from millet.app.certificates import Certificates
from millet.app.doors import Doors
from millet.app.tracing import Tracing
from millet.core import doors
from millet.core.assembler import REPORTS, Waits
from millet.core.canary import NAME, TITLE
from millet.core.doors import Certificate
from millet.edge.journal import SqlJournal
from millet.edge.scp import Behind, Caller, Listen, Refusal, Service, StorageScp
from millet.edge.telemetry import Events
from millet.errors import RefusedInstance, StoreError
from millet.flow.completion import Completion
from millet.flow.errands import ByTitle, ErrandDesk, ErrandReception
from millet.flow.intake import Fact, Intake
from millet.flow.lifecycle import Loop, Part
from millet.flow.pull import Door
from millet.flow.reception import CT_CLASSES, Reception, Receptions
from millet.ports import Clock, Policy, Received, Site
from millet.ports.retention import ReceiverSpool
from millet.settings import Settings

INTAKE_EVERY_S = 0.2
SWITCH_S = 0.0005
"""For which one thread keeps the interpreter while others wait for it: an association needs it for moments, a
dozen times an instance, and Python's 5 ms each time would be longer than the instance takes."""
GATHER_S = 0.1
"""How long instances are gathered to be journalled together; the end of an association does not wait."""
OUT_OF_RESOURCES = 0xA700
OVER = "what sent the instance has ended"


class _Source:
    """One reception for all that a source sends: a segment and a buffer as an association has them."""

    def __init__(self, receptions: Receptions) -> None:
        self._receptions = receptions
        self._reception: Reception | None = None
        self._ended = False
        self._lock = Lock()
        """A request that is cut off may end before its last instance does, or begins."""

    def take(self, received: Received, number: int) -> None:
        """Make an instance durable. Raises RefusedInstance or StoreError."""
        with self._lock:
            if self._ended:
                raise StoreError(OVER)
            if self._reception is None:  # made for an instance alone: each that is made takes a segment
                self._reception = self._receptions.associated()
            self._reception.take(received, number)

    def close(self) -> None:
        """No more come, and none is taken."""
        with self._lock:
            self._ended = True
            if self._reception is not None:
                self._reception.close()


@dataclass(frozen=True, kw_only=True)
class Receiving:
    """Association -> durable and acknowledged; then -> journal -> "generation N is to be analysed"."""

    chosen: Settings
    clock: Clock
    journal: SqlJournal
    spool: ReceiverSpool
    events: Events
    doors: Doors
    certificates: Certificates
    tracing: Tracing
    errands: ErrandDesk
    services: Mapping[str, Service] = field(default_factory=dict)
    """What the DICOM port offers beside storage, by abstract syntax."""
    archive: ArchiveDesk | None = None
    """Who is asked how many instances a series has; None where no archive is configured."""

    @property
    def associations(self) -> int:
        """How many associations are open."""
        return self._scp.associations

    def part(self) -> Part:
        """Make the part."""
        loop = self._loop

        def start() -> None:
            sys.setswitchinterval(SWITCH_S)
            self.spool.hold()
            loop.start()
            if self.archive:
                self.archive.loop.start()
            self._scp.start()

        def stop(within_s: float) -> bool:
            self._scp.stop()
            if self.archive:
                self.archive.loop.stop(0.0)  # a question that is out is nobody's loss
            stopped = loop.stop(within_s)
            self.spool.let_go()
            return stopped

        return Part(name="receive", start=start, stop=stop)

    @cached_property
    def _intake(self) -> Intake:
        chosen = self.chosen
        waits = Waits(settle_s=chosen.settle_s, quiet_s=chosen.quiet_s, gap_wait_s=chosen.gap_wait_s)
        completion = Completion(waits, self.journal, self.archive.asking if self.archive else None)
        return Intake(self.spool, self.journal, completion, self.clock, self._told, self._judged)

    @cached_property
    def _loop(self) -> Loop:
        return Loop("intake", self._intake.step, INTAKE_EVERY_S, gather_s=GATHER_S)

    @cached_property
    def receptions(self) -> Receptions:
        """Where instances become durable, by whichever way they come."""
        return Receptions(
            self.spool,
            self.clock,
            lambda: self._loop.wake(hurry=False),
            classes=self._classes,
            most_bytes=self.chosen.most_instance_bytes,
        )

    def _reception(self, called_ae: str) -> Reception | ErrandReception:
        fetches = self.doors.rules.fetches(called_ae)
        return ErrandReception(self.errands) if fetches else self.receptions.associated()

    def _classes(self, called_ae: str) -> Collection[str]:
        return CT_CLASSES | REPORTS if self.doors.rules.judges(called_ae) else CT_CLASSES

    @property
    def door(self) -> Door:
        """For instances that come by other ways than the DICOM port, under numbers below 0."""
        return Door(site=self.chosen.site, admit=self._admit, ended=self._ended, number=self._number)

    @cached_property
    def _open(self) -> dict[int, _Source]:
        """Those sources, by their numbers."""
        return {}

    @cached_property
    def _numbers(self) -> Iterator[int]:
        return count(-1, -1)

    def _number(self) -> int:
        number = next(self._numbers)
        self._open[number] = _Source(self.receptions)
        self._began(number)
        return number

    def _admit(self, received: Received, association: int) -> None:
        """As for an association, counted too."""
        began_s, status, why = perf_counter(), OUT_OF_RESOURCES, "it could not be made durable"
        try:
            if (source := self._open.get(association)) is None:
                raise StoreError(OVER)
            source.take(received, association)
            status, why = 0x0000, ""
        except RefusedInstance as refusal:
            status, why = refusal.status, str(refusal)
            raise
        finally:
            size_bytes, took_s = len(received.encoded), perf_counter() - began_s
            self.events.stored(received.source.calling_ae, status, why, size_bytes, took_s)

    @cached_property
    def _scp(self) -> StorageScp:
        chosen = self.chosen
        behind = Behind(
            site=lambda caller: NAME if caller.called_ae == TITLE else chosen.site,
            judge=self._judge,
            reception=lambda: ByTitle(self._reception),
            came=lambda came: self.events.stored(*came),
            began=self._began,
            ended=self._ended,
            services=self.services,
            asked=lambda caller, refusal: self.events.asked(caller.calling_ae, refusal is None),
        )
        listen = Listen(
            host=chosen.dicom_host or chosen.host, port=chosen.dicom_port, tls=self.doors.dicom_context
        )
        return StorageScp(listen, behind)

    def _told(self, what: str, facts: Mapping[str, Fact]) -> None:
        self.events.intake(what, facts)
        if what == "closed" and facts["trace"]:
            self.tracing.closed(facts)

    def _began(self, association: int) -> None:
        self.tracing.association_began(association)
        self._intake.association_began(association)

    def _ended(self, association: int) -> None:
        if source := self._open.pop(association, None):
            source.close()
        self.tracing.association_ended(association)
        self._intake.association_ended(association)
        self._loop.wake()

    def _judge(self, caller: Caller) -> Refusal | None:
        shown = Certificate(common_name=caller.certificate, sha256=caller.fingerprint)
        asks = doors.Caller(
            calling_ae=caller.calling_ae,
            called_ae=caller.called_ae,
            address=caller.address,
            certificate=shown if caller.fingerprint else None,
        )
        refused = self.doors.refused(asks)
        if refused is None:
            self.certificates.shown(caller.calling_ae, caller.expires)
        return None if refused is None else Refusal(refused.words, *refused.codes)

    def _judged(self, source: Site) -> Policy:
        rules = self.doors.rules
        urgency = rules.urgency(source.calling_ae, source.called_ae)
        return Policy(urgency, rules.model_title(source.called_ae))
