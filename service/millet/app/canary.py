"""The canary of this service: a phantom that is sent now and then, and what becomes of its report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from millet.app.pulling import CLASSES, peer_caller, reached
from millet.codec.ct import read_header
from millet.codec.sr_reading import read
from millet.core.canary import NAME, TITLE, Planted, compare
from millet.core.peer import Peer
from millet.edge.query import Handing
from millet.edge.telemetry import CanaryMetrics, Sent
from millet.errors import DeliveryError, RefusedInstance, ServiceError
from millet.flow.lifecycle import Loop, Part
from millet.ports import Clock, Delivery, Received, Site
from millet.settings import Settings

log = logging.getLogger(__name__)

REPORT = "sr"


def wants(kind: str) -> bool:
    """Which kinds of objects the canary's destination is sent."""
    return kind == REPORT


class Drawn(Protocol):
    """The phantom, drawn by whoever knows how to. Both raise ServiceError when it cannot be drawn."""

    def instances(self, number: int) -> Sequence[bytes]:
        """As a CT series whose identifiers are a function of a number."""

    def planted(self) -> Sequence[Planted]:
        """Its nodules."""

    def stop(self) -> None:
        """Draw no more, whoever waits for it."""


@dataclass(frozen=True)
class Canary:
    """Sends the phantom to our own DICOM port."""

    drawn: Drawn
    chosen: Settings
    clock: Clock
    metrics: CanaryMetrics

    def part(self) -> Part:
        """Make the part; one that does nothing where none is to be sent."""
        every_s = self.chosen.canary_every_s
        if not every_s:
            return Part(name="canary")
        loop = Loop("canary", self.step, every_s)

        def stop(within_s: float) -> bool:
            self.drawn.stop()
            loop.stop(min(within_s, 1.0))
            return True  # one that is cut off is sent again by the next start

        return Part(name="canary", start=loop.start, stop=stop)

    def step(self) -> None:
        """Send one."""
        number = int(1000 * self.clock.utc().timestamp())
        try:
            self._send(self.drawn.instances(number))
        except RefusedInstance as refusal:
            self.metrics.sent(Sent.REFUSED)
            log.warning("the canary was refused", extra={"why": str(refusal)})
        except ServiceError as failure:
            self.metrics.sent(Sent.FAILED)
            log.warning("the canary could not be sent", extra={"why": str(failure)})
        else:
            self.metrics.sent(Sent.SENT)

    def _send(self, instances: Sequence[bytes]) -> None:
        host = reached(self.chosen.dicom_host or self.chosen.host)
        peer = Peer(ae_title=TITLE, host=host, port=self.chosen.dicom_port)
        handing = Handing(replace(peer_caller(self.chosen, peer), calling_ae=TITLE), CLASSES)
        try:
            for encoded in instances:
                handing.admit(_received(encoded), 0)
        finally:
            handing.ended(0)


@dataclass(frozen=True)
class Returned:
    """The destination of the canary's reports: a `ports.Destination` that only looks."""

    drawn: Drawn
    metrics: CanaryMetrics
    clock: Clock
    since_last_instance_s: Callable[[Delivery], float | None]
    limit_s: float = 180.0

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Compare a report with what is known; see `ports.Destination`."""
        report = read(encoded)
        if not report.whole:
            raise DeliveryError("the canary's report cannot be read", retryable=False)
        marks = [lesion.centre_mm for lesion in report.lesions if lesion.centre_mm is not None]
        seen = compare(self._known, marks)
        self.metrics.came_back(seen.sensitivity, seen.others)
        if (seconds := self.since_last_instance_s(delivery)) is not None:
            self.metrics.latency(seconds)
        if seen.is_success:
            self.metrics.succeeded(self.clock.utc().timestamp())
        else:
            log.error("the canary's nodules were not found", extra={"share": round(seen.sensitivity, 2)})

    @cached_property
    def _known(self) -> Sequence[Planted]:
        try:
            return self.drawn.planted()
        except ServiceError as failure:
            raise DeliveryError(str(failure), retryable=True) from failure


def _received(encoded: bytes) -> Received:
    header = read_header(encoded)
    return Received(
        source=Site(NAME, TITLE, TITLE),
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        encoded=encoded,
    )
