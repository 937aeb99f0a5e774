"""Lines of the worklist, filters and tokens as messages. Tokens are opaque to clients, plain to us."""

from __future__ import annotations

import base64
import binascii
import hashlib

from millet.codec import wire
from millet.codec.wire_fields import text
from millet.core.turns import EMERGENCY
from millet.core.wording import words
from millet.ports import SeriesStatus, WorklistQuery
from millet.proto.millet.v1 import analysis_service_pb2 as pb

TEXT_FILTERS = ("site", "issuer", "patient_id", "accession", "sender", "study_uid", "series_uid")


def status_to_wire(status: SeriesStatus) -> pb.SeriesStatus:
    """One line of the worklist."""
    return pb.SeriesStatus(
        site=text(status.key.site),
        series_uid=text(status.key.series_uid),
        study_uid=text(status.study_uid),
        accession=text(status.accession),
        patient_id=text(status.patient_id),
        issuer=text(status.issuer),
        patient_name=text(status.patient_name),
        birth_date=text(status.birth_date),
        sex=text(status.sex),
        study_date=text(status.study_date),
        description=text(status.description),
        sender=text(status.sender),
        state=status.state,
        generation=status.generation,
        instances=status.instances,
        first_received_time=wire.time_to_wire(status.first_received_utc),
        last_received_time=wire.time_to_wire(status.last_received_utc),
        outcome=wire.outcome_to_wire(status.outcome),
        reason_code=status.reason_code,
        reason_text=words(status.reason_code),
        triage=wire.level_to_wire(status.triage),
        nodules=status.nodules,
        deliveries_pending=status.deliveries_pending,
        revision=status.revision,
        deliveries_dead=status.deliveries_dead,
        emergency=status.urgency >= EMERGENCY,
        stage=status.stage,
        windows_done=status.windows_done,
        windows_total=status.windows_total,
        count_reliable=status.count_reliable,
        best_of_study=status.best_of_study,
        best_series_uid=text(status.best_series_uid),
        best_reason=text(status.best_reason),
        triage_before=wire.level_to_wire(status.triage_before),
    )


def query_of(asked: pb.AnalysisFilter, limit: int, offset: int) -> WorklistQuery:
    """A filter and a page; raises ValueError for a triage level that does not exist."""
    return WorklistQuery(
        **{name: getattr(asked, name) for name in TEXT_FILTERS},
        triage=wire.level_from_wire(asked.triage),
        limit=limit,
        offset=offset,
    )


def matches(status: SeriesStatus, query: WorklistQuery) -> bool:
    """Whether a line passes a filter; the page is not looked at."""
    have = {
        "site": status.key.site,
        "issuer": status.issuer,
        "patient_id": status.patient_id,
        "accession": status.accession,
        "sender": status.sender,
        "study_uid": status.study_uid,
        "series_uid": status.key.series_uid,
    }
    texts = all(getattr(query, name) in {"", value} for name, value in have.items())
    return texts and query.triage in {None, status.triage}


def page_size(asked: int, usual: int, most: int) -> int:
    """Entries on a page; raises ValueError for a negative number."""
    if asked < 0:
        raise ValueError(f"page_size must not be negative, not {asked}")
    return min(asked or usual, most)


def filter_mark(asked: pb.AnalysisFilter) -> str:
    """A filter's fingerprint, so that a page token cannot be used with another one."""
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]


def token(kind: str, mark: str, number: int) -> str:
    """A token that names a place in something that `mark` identifies."""
    return base64.urlsafe_b64encode(f"{kind}:{mark}:{number}".encode()).decode()


def untoken(given: str, kind: str, field: str) -> tuple[str, int]:
    """The mark and number of a token of one kind; raises ValueError that names the field."""
    try:
        made, mark, number = base64.b64decode(given, altchars=b"-_", validate=True).decode().split(":")
        if made == kind and int(number) >= 0:
            return mark, int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise ValueError(f"{field} is not one of ours")
