"""What readers say over gRPC: acknowledged, taken back, and feedback on a nodule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import grpc

from millet.core.geometry import PointMm
from millet.core.readers import Acknowledgement, Feedback, Opinion, Person, check_request
from millet.core.roles import Who
from millet.edge.grpc_api import listing
from millet.edge.grpc_api.reading import OfSeries, Reading, key_of
from millet.edge.grpc_api.refusals import Refusal, answering, bad, missing, unmet
from millet.ports import About, ReaderLog, Taken
from millet.proto.millet.v1 import analysis_service_pb2 as pb


class Said(OfSeries, Protocol):
    """A request in which somebody says something of a series."""

    generation: int
    person: str
    idempotency_key: str


class Seen(Said, Protocol):
    """A request about what was seen."""

    level: pb.TriageLevel.ValueType


class Saying:
    """What changes the journal. Each takes who the door recognised, blocks, and raises Refusal."""

    def __init__(self, reading: Reading, readers: ReaderLog, utc: Callable[[], datetime]) -> None:
        self._reading = reading
        self._readers = readers
        self._utc = utc

    def acknowledge(
        self, request: pb.AcknowledgeSeriesRequest, who: Who | None
    ) -> pb.AcknowledgeSeriesResponse:
        """A level was seen."""
        with answering():
            taken = self._acknowledge(request, who, withdrawn=False)
            line = listing.status_to_wire(self._reading.line(request))
        return pb.AcknowledgeSeriesResponse(series=line, repeated_request=taken is Taken.AGAIN)

    def withdraw(
        self, request: pb.WithdrawAcknowledgementRequest, who: Who | None
    ) -> pb.WithdrawAcknowledgementResponse:
        """That is taken back."""
        with answering():
            taken = self._acknowledge(request, who, withdrawn=True)
            line = listing.status_to_wire(self._reading.line(request))
        return pb.WithdrawAcknowledgementResponse(series=line, repeated_request=taken is Taken.AGAIN)

    def give_feedback(self, request: pb.GiveFeedbackRequest, who: Who | None) -> pb.GiveFeedbackResponse:
        """A nodule was judged, or one is missing."""
        with answering():
            said = Feedback(
                by=_person(request, who),
                at_utc=self._utc(),
                generation=_generation(request, least=1),
                opinion=_opinion(request.opinion),
                nodule_id=request.nodule_id,
                place_mm=_place(request),
                comment=request.comment,
            )
            about = _about(request)
            self._reading.line(request)
            if said.nodule_id:
                self._check_nodule(request)
            taken = _kept(self._readers.give_feedback(about, said))
        return pb.GiveFeedbackResponse(repeated_request=taken is Taken.AGAIN)

    def _acknowledge(self, request: Seen, who: Who | None, *, withdrawn: bool) -> Taken:
        said = Acknowledgement(
            by=_person(request, who),
            at_utc=self._utc(),
            generation=_generation(request, least=0),
            level=listing.level_of(request.level, "level"),
            withdrawn=withdrawn,
        )
        about = _about(request)
        self._reading.line(request)
        return _kept(self._readers.acknowledge(about, said).taken)

    def _check_nodule(self, request: pb.GiveFeedbackRequest) -> None:
        analysis = self._reading.analysis(request)
        if analysis.generation != request.generation:
            return  # the journal says so, unless the request is repeated
        if all(one.nodule_id != request.nodule_id for one in analysis.nodules):
            raise missing("Nodule", "NO_SUCH_NODULE", "the newest analysis has no such nodule")


def _kept(taken: Taken) -> Taken:
    """What is in the journal; raises Refusal for what is not."""
    match taken:
        case Taken.OTHER_REQUEST:
            why = "idempotency_key stands for another request; choose a new one for each"
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, "KEY_OF_ANOTHER_REQUEST", why)
        case Taken.NO_SERIES:
            raise missing("Series", "NO_SUCH_SERIES", "no such series at this site")
        case Taken.CHANGED:
            why = "the series does not have the generation and level that were seen; look again"
            raise unmet("CHANGED_SINCE", why, ["generation", "level"])
        case Taken.NOTHING:
            raise unmet("NOT_ACKNOWLEDGED", "there is no acknowledgement to be withdrawn")
    return taken


def _about(request: Said) -> About:
    try:
        return About(key_of(request), check_request(request.idempotency_key))
    except ValueError as error:
        raise bad("idempotency_key", str(error)) from None


def _person(request: Said, who: Who | None) -> Person:
    """Whom the request names, or else whom the door recognised."""
    name = request.person or (who.name if who else "")
    if not name:
        raise bad("person", "person is required where the caller is not recognised")
    try:
        return Person(name=name, recognised=who is not None and name == who.name)
    except ValueError as error:
        raise bad("person", str(error)) from None


def _generation(request: Said, least: int) -> int:
    if request.generation < least:
        raise bad("generation", f"generation is at least {least}, not {request.generation}")
    return request.generation


def _opinion(number: int) -> Opinion:
    if not 1 <= number <= len(Opinion):
        raise bad("opinion", "opinion is none of accepted, rejected, missed")
    return list(Opinion)[number - 1]


def _place(request: pb.GiveFeedbackRequest) -> PointMm | None:
    if not request.HasField("place_mm"):
        return None
    return PointMm(request.place_mm.x, request.place_mm.y, request.place_mm.z)
