"""What happens in the service, told as metrics and as log lines; no patient data in either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

from millet.core.analysis import Analysis
from millet.core.assembler import ClosedBy
from millet.core.tag import series_tag
from millet.edge.telemetry.leaving import Delivered
from millet.edge.telemetry.metrics import Association, Peer, Stage, Telemetry
from millet.errors import ArchiveError
from millet.ports import Delivery, Work

log = logging.getLogger(__name__)


class Events:
    """One method for each thing that other parts report."""

    def __init__(
        self,
        telemetry: Telemetry,
        known_peers: Collection[str],
        since_last_instance_s: Callable[[Delivery], float | None],
    ) -> None:
        self._telemetry = telemetry
        self._known_peers = known_peers
        self._since_last_instance_s = since_last_instance_s

    def asked(self, calling_ae: str, accepted: bool) -> None:  # noqa: FBT001 - a callback's shape
        """An association was requested and answered."""
        result = Association.ACCEPTED if accepted else Association.REJECTED
        self._telemetry.association(self._peer(calling_ae), result)

    def stored(self, calling_ae: str, status: int, why: str, size_bytes: int, seconds: float) -> None:
        """A C-STORE was answered."""
        if status:
            log.warning("instance refused", extra={"status": f"0x{status:04X}", "why": why})
        self._telemetry.stored(self._peer(calling_ae), status, size_bytes, seconds)

    def intake(self, what: str, facts: Mapping[str, str | int]) -> None:
        """See `flow.intake.Tell`."""
        if what == "closed":
            self._telemetry.series_completed(ClosedBy(str(facts["closed_by"])))
        if what != "instance" or facts["result"] != "new":
            log.info("%s", what, extra=dict(facts))

    def analysing(self, work: Work, stage: str, done: int, total: int) -> None:
        """A piece of work is in a stage, so many of its windows done."""
        tag = series_tag(work.key.series_uid)
        self._telemetry.stage_began(tag, Stage(stage))
        log.debug("%s", stage, extra={"series": tag, "windows_done": done, "windows_total": total})

    def committed(self, work: Work, analysis: Analysis) -> None:
        """An analysis was committed."""
        self._telemetry.analysed(analysis)
        facts = {
            "series": series_tag(work.key.series_uid),
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
        log.error("analysis failed", extra={"series": tag}, exc_info=failure)
        self._telemetry.work_ended(tag)

    def delivery(self, what: str, delivery: Delivery, why: str) -> None:
        """See `flow.outbox.Tell`."""
        self._telemetry.leaving.delivery(delivery.destination, Delivered(what))
        accepted = what == "sent" or (what == "delivered" and delivery.sent_utc is None)
        is_report = accepted and delivery.kind == "sr"
        if is_report and (seconds := self._since_last_instance_s(delivery)) is not None:
            self._telemetry.turnaround(seconds)
        level = logging.INFO if what in {"delivered", "sent"} else logging.WARNING
        facts = {
            "kind": delivery.kind,
            "series": series_tag(delivery.series_uid),
            "destination": delivery.destination,
            "why": why,
        }
        log.log(level, "report %s", what, extra=facts)

    def _peer(self, calling_ae: str) -> Peer:
        return Peer.KNOWN if calling_ae in self._known_peers else Peer.OTHER
