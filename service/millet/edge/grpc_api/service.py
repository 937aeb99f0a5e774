"""AnalysisService: each call is answered by one of three parts, in threads, or ends with a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from millet.edge.grpc_api.behaviours import Context
from millet.edge.grpc_api.gate import CALLER
from millet.edge.grpc_api.reading import Reading
from millet.edge.grpc_api.refusals import Refusal, refuse
from millet.edge.grpc_api.saying import Saying
from millet.edge.grpc_api.watching import Watching
from millet.edge.telemetry import GrpcCode, Rpc, Telemetry
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc

T = TypeVar("T")


class AnalysisService(rpc.AnalysisServiceServicer):
    """The calls of the contract, which says what each does."""

    def __init__(self, reading: Reading, watching: Watching, saying: Saying, telemetry: Telemetry) -> None:
        self._reading = reading
        self._watching = watching
        self._saying = saying
        self._telemetry = telemetry

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Context) -> pb.GetAnalysisResponse:  # noqa: N802 - the rpc's name
        """See the contract."""
        return await self._unary(Rpc.GET_ANALYSIS, context, lambda: self._reading.get(request))

    async def ListAnalyses(  # noqa: N802 - the rpc's name
        self, request: pb.ListAnalysesRequest, context: Context
    ) -> pb.ListAnalysesResponse:
        """See the contract."""
        return await self._unary(Rpc.LIST_ANALYSES, context, lambda: self._reading.list(request))

    async def WatchAnalyses(  # noqa: N802 - the rpc's name
        self, request: pb.WatchAnalysesRequest, context: Context
    ) -> AsyncIterator[pb.WatchAnalysesResponse]:
        """See the contract."""
        with self._telemetry.watching():
            async for change in self._stream(Rpc.WATCH_ANALYSES, context, self._watching.worklist(request)):
                yield change

    async def StreamAnalysis(  # noqa: N802 - the rpc's name
        self, request: pb.StreamAnalysisRequest, context: Context
    ) -> AsyncIterator[pb.StreamAnalysisResponse]:
        """See the contract."""
        made = made_in_threads(lambda: self._reading.stream(request))
        parts = (part async for several in made for part in several)  # a thread for each would cost as much
        async for part in self._stream(Rpc.STREAM_ANALYSIS, context, parts):
            yield part

    async def WatchSeries(  # noqa: N802 - the rpc's name
        self, request: pb.WatchSeriesRequest, context: Context
    ) -> AsyncIterator[pb.WatchSeriesResponse]:
        """See the contract."""
        with self._telemetry.watching():
            async for told in self._stream(Rpc.WATCH_SERIES, context, self._watching.series(request)):
                yield told

    async def AcknowledgeSeries(  # noqa: N802 - the rpc's name
        self, request: pb.AcknowledgeSeriesRequest, context: Context
    ) -> pb.AcknowledgeSeriesResponse:
        """See the contract."""
        who = CALLER.get()
        return await self._unary(
            Rpc.ACKNOWLEDGE_SERIES, context, lambda: self._saying.acknowledge(request, who)
        )

    async def WithdrawAcknowledgement(  # noqa: N802 - the rpc's name
        self, request: pb.WithdrawAcknowledgementRequest, context: Context
    ) -> pb.WithdrawAcknowledgementResponse:
        """See the contract."""
        who = CALLER.get()
        return await self._unary(
            Rpc.WITHDRAW_ACKNOWLEDGEMENT, context, lambda: self._saying.withdraw(request, who)
        )

    async def GiveFeedback(  # noqa: N802 - the rpc's name
        self, request: pb.GiveFeedbackRequest, context: Context
    ) -> pb.GiveFeedbackResponse:
        """See the contract."""
        who = CALLER.get()
        return await self._unary(Rpc.GIVE_FEEDBACK, context, lambda: self._saying.give_feedback(request, who))

    async def ListFeedback(  # noqa: N802 - the rpc's name
        self, request: pb.ListFeedbackRequest, context: Context
    ) -> pb.ListFeedbackResponse:
        """See the contract."""
        return await self._unary(Rpc.LIST_FEEDBACK, context, lambda: self._reading.feedback(request))

    async def _unary(self, method: Rpc, context: Context, answer: Callable[[], T]) -> T:
        return await answered(self._telemetry, method, context, answer)

    def _stream(self, method: Rpc, context: Context, answers: AsyncIterator[T]) -> AsyncIterator[T]:
        return streamed(self._telemetry, method, context, answers)


async def made_in_threads(begin: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
    """Each message is made when the one before has been taken."""
    parts = await asyncio.to_thread(begin)
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part


async def answered(telemetry: Telemetry, method: Rpc, context: Context, answer: Callable[[], T]) -> T:
    """The one answer of a call, made in a thread, or its refusal; counted."""
    code = GrpcCode.CANCELLED
    try:
        made = await asyncio.to_thread(answer)
        code = GrpcCode.OK
    except Refusal as refusal:
        code = GrpcCode[refusal.code.name]
        await refuse(context, refusal)
    except Exception:
        code = GrpcCode.UNKNOWN
        raise
    finally:
        telemetry.rpc(method, code)
    return made


async def streamed(
    telemetry: Telemetry, method: Rpc, context: Context, answers: AsyncIterator[T]
) -> AsyncIterator[T]:
    """The answers of a call, or the refusal that ends them; counted."""
    code = GrpcCode.CANCELLED
    try:
        async for one in answers:
            yield one
        code = GrpcCode.OK
    except Refusal as refusal:
        code = GrpcCode[refusal.code.name]
        await refuse(context, refusal)
    except Exception:
        code = GrpcCode.UNKNOWN
        raise
    finally:
        telemetry.rpc(method, code)
