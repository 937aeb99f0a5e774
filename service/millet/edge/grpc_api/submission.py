"""SubmissionService: instances that are streamed, and series that are pulled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from millet.edge.grpc_api.arriving import Submissions
from millet.edge.grpc_api.behaviours import Context
from millet.edge.grpc_api.pulling import Pulling
from millet.edge.grpc_api.service import streamed
from millet.edge.grpc_api.submitting import Submitting
from millet.edge.telemetry import Rpc, Telemetry
from millet.ports import PullDesk
from millet.proto.millet.v1 import submission_service_pb2 as pb
from millet.proto.millet.v1 import submission_service_pb2_grpc as rpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Inward:
    """What lets series in; None for what this process does not offer."""

    site: str = ""
    submissions: Submissions | None = None
    pulls: PullDesk | None = None


class SubmissionService(rpc.SubmissionServiceServicer):
    """The calls of the contract, which says what each does."""

    def __init__(self, inward: Inward, telemetry: Telemetry) -> None:
        self._submitting = Submitting(inward.submissions)
        self._pulling = Pulling(inward.pulls, inward.site)
        self._telemetry = telemetry

    def stop(self) -> None:
        """Take nothing more, and end the calls."""
        self._submitting.stop()
        self._pulling.stopping = True

    async def SubmitInstances(  # noqa: N802 - the rpc's name
        self, request_iterator: AsyncIterator[pb.SubmitInstancesRequest], context: Context
    ) -> AsyncIterator[pb.SubmitInstancesResponse]:
        """See the contract."""
        answers = self._submitting.submit(request_iterator)
        async for answer in streamed(self._telemetry, Rpc.SUBMIT_INSTANCES, context, answers):
            yield answer

    async def PullSeries(  # noqa: N802 - the rpc's name
        self, request: pb.PullSeriesRequest, context: Context
    ) -> AsyncIterator[pb.PullSeriesResponse]:
        """See the contract."""
        answers = self._pulling.pull(request)
        async for answer in streamed(self._telemetry, Rpc.PULL_SERIES, context, answers):
            yield answer
