"""What happens in the service, told as metrics and as log lines; no patient data in either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

from millet.core import canary
from millet.core.analysis import Analysis
from millet.core.assembler import ClosedBy
from millet.core.makes import Kernel, Make
from millet.core.notification import News, reference
from millet.core.tag import series_tag
from millet.core.trace import trace_of
from millet.edge.telemetry.leaving import Delivered
from millet.edge.telemetry.metrics import Association, Peer, Stage, Telemetry
from millet.edge.telemetry.working import Attempt
from millet.errors import ArchiveError, DetectorError
from millet.ports import Clock, Delivery, Work

log = logging.getLogger(__name__)


class Events:
    """One method for each thing that other parts report."""

    def __init__(
        self,
        telemetry: Telemetry,
        known_peers: Collection[str],
        since_last_instance_s: Callable[[Delivery], float | None],
        clock: Clock,
    ) -> None:
        self._telemetry = telemetry
        self._known_peers = known_peers
        self.since_last_instance_s = since_last_instance_s
        self._clock = clock

    def asked(self, calling_ae: str, accepted: bool) -> None:  # noqa: FBT001 - a callback's shape
        """An association was requested and answered."""
        result = Association.ACCEPTED if accepted else Association.REJECTED
        self._telemetry.association(self._peer(calling_ae), result)

    def stored(self, calling_ae: str, status: int, why: str, size_bytes: int, seconds: float) -> None:
        """A C-STORE was answered."""
        if status:
            told = {"by": calling_ae, "status": f"0x{status:04X}", "why": why}
            log.warning("instance refused", extra=told)
        self._telemetry.stored(self._peer(calling_ae), status, size_bytes, seconds)

    def intake(self, what: str, facts: Mapping[str, str | int | float]) -> None:
        """See `flow.intake.Tell`."""
        arrivals = self._telemetry.arrivals
        if what == "closed" and facts["site"] != canary.NAME:
            self._telemetry.series_completed(ClosedBy(str(facts["closed_by"])))
            arrivals.complete(
                float(facts["waited_s"]), Make(str(facts["scanner"])), Kernel(str(facts["kernel"]))
            )
        if what == "reopened":
            arrivals.reopened()
        if what != "instance" or facts["result"] != "new":
            log.info("%s", what, extra=dict(facts))
        if what == "instance" and facts["result"] != "new":
            arrivals.known(same=facts["result"] == "repeated")

    def analysing(self, work: Work, stage: str, done: int, total: int) -> None:
        """A piece of work is in a stage, so many of its windows done."""
        tag = series_tag(work.key.series_uid)
        if work.key.site != canary.NAME and self._telemetry.stage_began(tag, Stage(stage)):
            waited_s = (self._clock.utc() - work.closed_utc).total_seconds()
            self._telemetry.working.begun(work.urgency, waited_s)
        log.debug("%s", stage, extra={"series": tag, "windows_done": done, "windows_total": total})

    def committed(self, work: Work, analysis: Analysis) -> None:
        """An analysis was committed."""
        if work.key.site != canary.NAME:
            self._telemetry.analysed(analysis)
        self._telemetry.working.attempted(Attempt.COMMITTED)
        facts = {
            "series": series_tag(work.key.series_uid),
            "trace": trace_of(work.key.site, work.key.series_uid, work.generation),
            "generation": work.generation,
            "model": f"{analysis.provenance.model_name}/{analysis.provenance.model_version}",
            "outcome": analysis.outcome.value,
            "reason": analysis.reason_code,
            "remarks": ",".join(sorted({remark.reason.value for remark in analysis.remarks})),
            "nodules": len(analysis.nodules),
            "count_reliable": analysis.count_reliable,
            "triage": analysis.triage.level.value,
        }
        log.info("analysis committed", extra=facts)
        self._telemetry.work_ended(series_tag(work.key.series_uid))

    def read_ahead_failed(self, failure: Exception) -> None:
        """An instance could not be read while its series arrives; it is read again when that is complete."""
        log.warning("an instance could not be read ahead: %s", type(failure).__name__)

    def prior_failed(self, failure: Exception) -> None:
        """A step of looking for a prior failed; the report says what is not known for it."""
        why = str(failure) if isinstance(failure, ArchiveError) else type(failure).__name__
        log.warning("looking for a prior: %s", why)

    def faulty(self, work: Work, failure: Exception) -> None:
        """An attempt at an analysis failed."""
        tag = series_tag(work.key.series_uid)
        detector = isinstance(failure, DetectorError)
        self._telemetry.working.attempted(Attempt.DETECTOR_FAILED if detector else Attempt.FAILED)
        log.error("analysis failed", extra={"series": tag}, exc_info=failure)
        self._telemetry.work_ended(tag)

    def delivery(self, what: str, delivery: Delivery, why: str) -> None:
        """See `flow.outbox.Tell`."""
        self._telemetry.leaving.delivery(delivery.destination, Delivered(what))
        accepted = what == "sent" or (what == "delivered" and delivery.sent_utc is None)
        is_report = accepted and delivery.kind == "sr" and delivery.site != canary.NAME
        if is_report and (seconds := self.since_last_instance_s(delivery)) is not None:
            self._telemetry.turnaround(seconds)
        level = logging.INFO if what in {"delivered", "sent", "replaced"} else logging.WARNING
        facts = {
            "kind": delivery.kind,
            "series": series_tag(delivery.series_uid),
            "trace": trace_of(delivery.site, delivery.series_uid, delivery.generation),
            "destination": delivery.destination,
            "why": why,
        }
        log.log(level, "report %s", what, extra=facts)

    def notified(self, recipient: str, news: News) -> None:
        """A recipient is told of a study."""
        self._telemetry.notices.told(recipient, news)
        study = reference(news.standing.site, news.standing.study_uid)
        log.info("notified %s", news.change, extra={"study": study, "destination": recipient})

    def _peer(self, calling_ae: str) -> Peer:
        if calling_ae == canary.TITLE:
            return Peer.CANARY
        return Peer.KNOWN if calling_ae in self._known_peers else Peer.OTHER
