"""AnalysisService: each call reads the worklist in a thread and answers, or says why not.

A watcher keeps no queue here: it remembers the last revision it sent and reads what came after when it is
ready for more. A slow one therefore costs nobody anything, and one that was away misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import grpc

from millet.codec import wire
from millet.core.analysis import Analysis
from millet.edge.grpc_api import listing
from millet.edge.telemetry import GrpcCode, Rpc, Telemetry
from millet.errors import StoreError
from millet.ports import SeriesKey, SeriesStatus, Worklist, WorklistQuery
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]

NODULES_PER_PAGE, MOST_NODULES_PER_PAGE = 1000, 5000
"""A nodule takes at most some 250 bytes, so that the fullest page stays near 1.3 MB of gRPC's 4."""
SERIES_PER_PAGE, MOST_SERIES_PER_PAGE = 100, 1000


class Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A call ends with a status and a sentence."""

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        self.code = code
        super().__init__(why)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what can go wrong into statuses."""
    try:
        yield
    except ValueError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
    except StoreError as error:
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "the store does not answer; try again") from error


class Bell:
    """Wakes every watcher; `ring` belongs to the event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake all who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    def waiting(self) -> asyncio.Event:
        """The event that the next ring sets."""
        return self._event


class AnalysisService(rpc.AnalysisServiceServicer):
    """The three calls. `stopping` ends the watchers."""

    def __init__(self, worklist: Worklist, telemetry: Telemetry) -> None:
        self._worklist = worklist
        self._telemetry = telemetry
        self.bell = Bell()
        self.stopping = False

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Context) -> pb.GetAnalysisResponse:  # noqa: N802 - the rpc's name
        """See the contract."""
        return await self._unary(Rpc.GET_ANALYSIS, context, lambda: self._get(request))

    async def ListAnalyses(  # noqa: N802 - the rpc's name
        self, request: pb.ListAnalysesRequest, context: Context
    ) -> pb.ListAnalysesResponse:
        """See the contract."""
        return await self._unary(Rpc.LIST_ANALYSES, context, lambda: self._list(request))

    async def WatchAnalyses(  # noqa: N802 - the rpc's name
        self, request: pb.WatchAnalysesRequest, context: Context
    ) -> AsyncIterator[pb.WatchAnalysesResponse]:
        """See the contract."""
        code = GrpcCode.CANCELLED
        with self._telemetry.watching():
            try:
                async for change in self._changes(request):
                    yield change
            except Refusal as refusal:
                code = GrpcCode[refusal.code.name]
                await self._refuse(context, refusal)
            finally:
                self._telemetry.rpc(Rpc.WATCH_ANALYSES, code)

    async def _unary(self, method: Rpc, context: Context, answer: Callable[[], T]) -> T:
        code = GrpcCode.CANCELLED
        try:
            made = await asyncio.to_thread(answer)
            code = GrpcCode.OK
        except Refusal as refusal:
            code = GrpcCode[refusal.code.name]
            await self._refuse(context, refusal)
        except Exception:
            code = GrpcCode.UNKNOWN
            raise
        finally:
            self._telemetry.rpc(method, code)
        return made

    @staticmethod
    async def _refuse(context: Context, refusal: Refusal) -> NoReturn:
        await context.abort(refusal.code, str(refusal))
        raise AssertionError  # abort does not return

    def _get(self, request: pb.GetAnalysisRequest) -> pb.GetAnalysisResponse:
        with _answering():
            size = listing.page_size(request.page_size, NODULES_PER_PAGE, MOST_NODULES_PER_PAGE)
            analysis = self._analysis(request)
            first = _first_nodule(request.page_token, analysis)
        page = analysis.nodules[first : first + size]
        after = first + len(page)
        more = after < len(analysis.nodules)
        return pb.GetAnalysisResponse(
            analysis=wire.analysis_to_wire(analysis, page),
            total_nodules=len(analysis.nodules),
            next_page_token=listing.token("nodules", _mark(analysis), after) if more else "",
        )

    def _analysis(self, request: pb.GetAnalysisRequest) -> Analysis:
        if not request.site or not request.series_uid:
            raise ValueError("site and series_uid are both required")
        key = SeriesKey(site=request.site, series_uid=request.series_uid)
        if analysis := self._worklist.analysis(key):
            return analysis
        known = self._worklist.series(WorklistQuery(site=key.site, series_uid=key.series_uid, limit=1))
        why = (
            f"this series has no analysis yet: it is {known[0].state}"
            if known
            else "no such series at this site"
        )
        raise Refusal(grpc.StatusCode.NOT_FOUND, why)

    def _list(self, request: pb.ListAnalysesRequest) -> pb.ListAnalysesResponse:
        mark = listing.filter_mark(request.filter)
        with _answering():
            size = listing.page_size(request.page_size, SERIES_PER_PAGE, MOST_SERIES_PER_PAGE)
            first = _first_series(request.page_token, mark)
            found = self._worklist.series(listing.query_of(request.filter, size + 1, first))
        return pb.ListAnalysesResponse(
            series=[listing.status_to_wire(status) for status in found[:size]],
            next_page_token=listing.token("series", mark, first + size) if len(found) > size else "",
        )

    async def _changes(self, request: pb.WatchAnalysesRequest) -> AsyncIterator[pb.WatchAnalysesResponse]:
        with _answering():
            query = listing.query_of(request.filter, limit=0, offset=0)
            seen = await self._resumed(request.resume_token)
        while not self.stopping:
            rung = self.bell.waiting()
            for status in await self._after(seen):
                seen = max(seen, status.revision)
                if listing.matches(status, query):
                    yield _change(status)
            await rung.wait()
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "the service stops; resume with the last token")

    async def _after(self, revision: int) -> list[SeriesStatus]:
        with _answering():
            return list(await asyncio.to_thread(self._worklist.changed, revision))

    async def _resumed(self, given: str) -> int:
        """The revision of a token, which some series must have reached: journals are not interchangeable."""
        if not given:
            return 0
        _, revision = listing.untoken(given, "watch", "resume_token")
        if revision and not await self._after(revision - 1):
            raise Refusal(
                grpc.StatusCode.OUT_OF_RANGE, "resume_token is ahead of this journal; start without one"
            )
        return revision


def _change(status: SeriesStatus) -> pb.WatchAnalysesResponse:
    resume = listing.token("watch", "", status.revision)
    return pb.WatchAnalysesResponse(series=listing.status_to_wire(status), resume_token=resume)


def _mark(analysis: Analysis) -> str:
    """What makes two analyses of a series different ones."""
    provenance = analysis.provenance
    return f"{analysis.generation}-{provenance.model_digest[:12]}-{provenance.configuration_digest[:12]}"


def _first_nodule(given: str, analysis: Analysis) -> int:
    if not given:
        return 0
    mark, first = listing.untoken(given, "nodules", "page_token")
    if mark != _mark(analysis):
        raise Refusal(grpc.StatusCode.ABORTED, "the series was analysed anew; start again without page_token")
    return first


def _first_series(given: str, mark: str) -> int:
    if not given:
        return 0
    made_for, first = listing.untoken(given, "series", "page_token")
    if made_for != mark:
        raise ValueError("page_token belongs to another filter")
    return first
