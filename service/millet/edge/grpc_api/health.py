"""grpc.health.v1: whether we serve, for who asks once and for who follows it.

Theory of operation. Anybody may follow, and may stop reading: what is told waits for no one. It is written
down and the bell rung; each follower is then written to by its own call, however long that takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2 as pb

from millet.edge.grpc_api.behaviours import Context
from millet.edge.grpc_api.recent import Bell
from millet.edge.grpc_api.refusals import refuse, stopped

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


class HealthService:
    """The calls of the protocol. Belongs to the event loop.

    Args:
        names: the services whose health is told, all alike; an empty one stands for the server.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._standing: dict[str, pb.HealthCheckResponse.ServingStatus.ValueType] = dict.fromkeys(
            names, NOT_SERVING
        )
        self._bell = Bell()
        self._stopping = False

    def tell(self, *, serves: bool) -> None:
        """Say whether we serve; once we stop we do not."""
        serves = serves and not self._stopping
        self._standing = dict.fromkeys(self._standing, SERVING if serves else NOT_SERVING)
        self._bell.ring()

    def stop(self) -> None:
        """Serve no more, and end the calls of who follows."""
        self._stopping = True
        self.tell(serves=False)

    async def Check(self, request: pb.HealthCheckRequest, context: Context) -> pb.HealthCheckResponse:  # noqa: N802 - the rpc's name
        """How a service stands; NOT_FOUND for one that is none of ours."""
        if (standing := self._standing.get(request.service)) is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return pb.HealthCheckResponse(status=standing)

    async def List(self, _request: pb.HealthListRequest, _context: Context) -> pb.HealthListResponse:  # noqa: N802 - the rpc's name
        """How each service stands."""
        told = {name: pb.HealthCheckResponse(status=one) for name, one in self._standing.items()}
        return pb.HealthListResponse(statuses=told)

    async def Watch(  # noqa: N802 - the rpc's name
        self, request: pb.HealthCheckRequest, context: Context
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """How a service stands, and each time that it stands otherwise."""
        told = None
        while True:
            rung = self._bell.waiting()
            standing = self._standing.get(request.service, pb.HealthCheckResponse.SERVICE_UNKNOWN)
            if standing != told:
                told = standing
                yield pb.HealthCheckResponse(status=standing)
            elif self._stopping:
                await refuse(context, stopped())
            else:
                await rung.wait()
