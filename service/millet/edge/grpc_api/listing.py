"""Lines of the worklist, filters and tokens as messages. Tokens are opaque to clients, plain to us."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from google.protobuf.message import Message

from millet.codec import wire
from millet.codec.wire_fields import text
from millet.core.analysis import TriageLevel
from millet.core.readers import Acknowledgement, Person
from millet.core.turns import EMERGENCY
from millet.core.wording import words
from millet.edge.grpc_api.refusals import bad
from millet.ports import SeriesStatus, WorklistQuery
from millet.proto.millet.v1 import analysis_service_pb2 as pb

M = TypeVar("M", bound=Message)
MOST_DIGITS = 18
"""Of a number in a token: so long fit 64 bits."""
TEXT_FILTERS = ("site", "issuer", "patient_id", "accession", "sender", "study_uid", "series_uid", "state")


_OF: Mapping[str, Callable[[SeriesStatus], str]] = MappingProxyType(
    {
        "site": lambda status: status.key.site,
        "issuer": lambda status: status.issuer,
        "patient_id": lambda status: status.patient_id,
        "accession": lambda status: status.accession,
        "sender": lambda status: status.sender,
        "study_uid": lambda status: status.study_uid,
        "series_uid": lambda status: status.key.series_uid,
    }
)
"""What of a line a filter's fields are compared with."""


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
        reason_text=words(status.reason_code, status.language),
        triage=wire.level_to_wire(status.triage),
        nodules=status.nodules,
        deliveries_pending=status.deliveries_pending,
        revision=status.revision,
        deliveries_dead=status.deliveries_dead,
        deliveries_dismissed=status.deliveries_dismissed,
        emergency=status.urgency >= EMERGENCY,
        stage=status.stage,
        windows_done=status.windows_done,
        windows_total=status.windows_total,
        count_reliable=status.count_reliable,
        best_of_study=status.best_of_study,
        best_series_uid=text(status.best_series_uid),
        best_reason=text(status.best_reason),
        triage_before=wire.level_to_wire(status.triage_before),
        analysed_generation=status.analysed_generation,
        acknowledgement=_acknowledgement(status.acknowledgement),
        risen_since_acknowledged=status.risen_since_acknowledged,
    )


def _acknowledgement(seen: Acknowledgement | None) -> pb.Acknowledgement | None:
    if seen is None:
        return None
    return pb.Acknowledgement(
        by=person_to_wire(seen.by),
        time=wire.time_to_wire(seen.at_utc),
        generation=seen.generation,
        level=wire.level_to_wire(seen.level),
    )


def person_to_wire(person: Person) -> pb.Person:
    """Who said something."""
    return pb.Person(name=text(person.name), recognised=person.recognised)


def query_of(asked: pb.AnalysisFilter, limit: int, offset: int) -> WorklistQuery:
    """A filter and a page; raises Refusal for a triage level that does not exist."""
    return WorklistQuery(
        **{name: getattr(asked, name) for name in TEXT_FILTERS},
        triage=level_of(asked.triage, "filter.triage"),
        acknowledged=asked.acknowledged if asked.HasField("acknowledged") else None,
        limit=limit,
        offset=offset,
    )


def level_of(number: int, field: str) -> TriageLevel | None:
    """A triage level; raises Refusal for one that this version does not know."""
    try:
        return wire.level_from_wire(number)
    except ValueError as error:
        raise bad(field, str(error)) from None


def of_what(query: WorklistQuery) -> Callable[[SeriesStatus], bool]:
    """Whether a line is of the patient, study or series that a filter asks for: that never changes."""
    asked = [(have, value) for name, have in _OF.items() if (value := getattr(query, name))]
    return lambda status: all(have(status) == value for have, value in asked)


def stands_as(status: SeriesStatus, query: WorklistQuery) -> bool:
    """Whether a line stands as a filter asks: that may change."""
    return (
        query.triage in {None, status.triage}
        and query.state in {"", status.state}
        and query.acknowledged in {None, status.is_acknowledged}
    )


def page_size(asked: int, usual: int, most: int) -> int:
    """Entries on a page; raises Refusal for a negative number."""
    if asked < 0:
        raise bad("page_size", f"page_size must not be negative, not {asked}")
    return min(asked or usual, most)


def filter_mark(asked: pb.AnalysisFilter) -> str:
    """A filter's fingerprint, so that a page token cannot be used with another one."""
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]


def token(kind: str, mark: str, number: int) -> str:
    """A token that names a place in something that `mark` identifies."""
    return base64.urlsafe_b64encode(f"{kind}:{mark}:{number}".encode()).decode()


def number_of(told: str) -> int | None:
    """The number in a token; None for what none of ours holds, and no database."""
    return int(told) if told.isascii() and told.isdecimal() and len(told) <= MOST_DIGITS else None


def untoken(given: str, kind: str, field: str) -> tuple[str, int]:
    """The mark and number of a token of one kind; raises Refusal that names the field."""
    try:
        made, mark, told = base64.b64decode(given, altchars=b"-_", validate=True).decode().split(":")
        if made == kind and (number := number_of(told)) is not None:
            return mark, number
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise bad(field, f"{field} is not one of ours")


def fitting(made: Sequence[M], most_bytes: int) -> Sequence[M]:
    """The first messages of a list that take at most so much, but one in any case."""
    size = 0
    for at, one in enumerate(made):
        size += one.ByteSize()
        if size > most_bytes and at:
            return made[:at]
    return made
