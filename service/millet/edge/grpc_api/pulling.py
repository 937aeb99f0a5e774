"""PullSeries: an order is given to the desk, and how far it is told until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

import grpc

from millet.core.origin import Origin
from millet.core.readers import check_request
from millet.edge.grpc_api.refusals import Refusal, answering, bad, missing, not_offered, stopped, unmet
from millet.edge.grpc_api.submitting import origin
from millet.ports import Asked, AskedPull, PullDesk, PulledSeries, PullEnd, PullOrder, PullState, SeriesQuery
from millet.proto.millet.v1 import submission_service_pb2 as pb

LOOK_EVERY_S = 0.25
EXPECTABLE = ("patient_id", "study_uid", "accession")
"""What an archive can be asked for."""


class Pulling:
    """Streams of progress. `stopping` ends them."""

    def __init__(self, desk: PullDesk | None, site: str) -> None:
        self._desk = desk
        self._site = site
        self.stopping = False

    async def pull(self, request: pb.PullSeriesRequest) -> AsyncIterator[pb.PullSeriesResponse]:
        """Each change until all is here; raises Refusal."""
        if self._desk is None:
            raise not_offered()
        order = _order(request, self._desk.archives)
        asked, pull = self._desk.ask(_key(request), order)
        if pull is None:
            raise _not_taken(asked)
        told: Sequence[PulledSeries] = ()
        while not self.stopping:
            state = await _state(pull)
            for one in state.series:
                if one not in told:
                    yield self._progress(one, len(state.series), again=asked is Asked.AGAIN)
            told = state.series
            if state.end is PullEnd.COMPLETE:
                return
            if state.end:
                raise _failed(state)
            await asyncio.sleep(LOOK_EVERY_S)
        raise stopped()

    def _progress(self, one: PulledSeries, series: int, *, again: bool) -> pb.PullSeriesResponse:
        return pb.PullSeriesResponse(
            site=self._site,
            study_uid=one.name.study_uid,
            series_uid=one.name.series_uid,
            wanted=one.wanted,
            here=one.here,
            complete=one.complete,
            series=series,
            repeated_request=again,
        )


def _order(request: pb.PullSeriesRequest, archives: Collection[str]) -> PullOrder:
    if not (request.study_uid or request.series_uid or request.accession):
        raise bad("series_uid", "one of study_uid, series_uid and accession is required")
    try:
        wanted = SeriesQuery(
            study_uid=request.study_uid, series_uid=request.series_uid, accession=request.accession
        )
    except ValueError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", str(error)) from None
    return PullOrder(archive=_archive(request, archives), wanted=wanted, expected=_expected(request))


def _archive(request: pb.PullSeriesRequest, known: Collection[str]) -> str:
    if not request.archive and len(known) == 1:
        return next(iter(known))
    if not request.archive and known:
        raise bad("archive", f"archive is one of {', '.join(sorted(known))}")
    if request.archive not in known:
        raise missing("Archive", "NO_SUCH_ARCHIVE", "no archive of this name is configured")
    return request.archive


async def _state(pull: AskedPull) -> PullState:
    with answering():
        return await asyncio.to_thread(pull.state)


def _key(request: pb.PullSeriesRequest) -> str:
    try:
        return check_request(request.idempotency_key)
    except ValueError as error:
        raise bad("idempotency_key", str(error)) from None


def _expected(request: pb.PullSeriesRequest) -> Origin:
    expected = origin(request.expected)
    for name in EXPECTABLE:
        value = getattr(expected, name)
        if value is None:
            continue
        try:
            SeriesQuery(**{name: value})
        except ValueError as error:
            raise bad(f"expected.{name}", str(error)) from None
    if expected.issuer is not None and expected.patient_id is None:
        raise bad("expected.issuer", "an issuer is only compared beside a patient_id")
    return expected


def _not_taken(asked: Asked) -> Refusal:
    if asked is Asked.OTHER_ORDER:
        why = "idempotency_key stands for another request; choose a new one for each"
        return Refusal(grpc.StatusCode.ALREADY_EXISTS, "KEY_OF_ANOTHER_REQUEST", why)
    why = "too many pulls wait already; ask again later"
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_PULLS", why)


def _failed(state: PullState) -> Refusal:
    match state.end:
        case PullEnd.NO_SERIES:
            return missing("Series", "NO_SUCH_SERIES", state.why)
        case PullEnd.NOT_EXPECTED:
            return unmet("NOT_AS_EXPECTED", state.why, state.differing)
        case PullEnd.NO_ARCHIVE:
            return Refusal(grpc.StatusCode.UNAVAILABLE, "ARCHIVE_UNAVAILABLE", state.why)
        case PullEnd.INCOMPLETE:
            return Refusal(grpc.StatusCode.UNAVAILABLE, "PULL_INCOMPLETE", state.why)
    return Refusal(grpc.StatusCode.UNAVAILABLE, "PULL_FAILED", state.why)
