"""Each call has a name, in its answer and in the log, and its time is taken."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import grpc

from millet.edge.grpc_api.behaviours import (
    Around,
    Context,
    Continuation,
    Handler,
    around,
    behaviour,
    is_async,
)
from millet.edge.telemetry import Rpc, Telemetry
from millet.edge.telemetry.requests import HEADER, REQUEST, named

log = logging.getLogger(__name__)


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Stands before the gate, so that a refusal has a name too."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, named and timed."""
        handler = await continuation(handler_call_details)
        given = dict(handler_call_details.invocation_metadata or ())
        method = str(handler_call_details.method).rpartition("/")[2]
        return None if handler is None else self._named(handler, method, str(given.get(HEADER, "")))

    def _named(self, handler: Handler, method: str, given: str) -> Handler:
        if not is_async(handler):
            return handler
        inner = behaviour(handler)

        async def one(request: Any, context: Context) -> Any:
            with self._answering(method, given) as request_id:
                await context.send_initial_metadata(((HEADER, request_id),))
                return await inner(request, context)

        async def many(request: Any, context: Context) -> AsyncIterator[Any]:
            with self._answering(method, given) as request_id:
                await context.send_initial_metadata(((HEADER, request_id),))
                async for answer in inner(request, context):
                    yield answer

        return around(handler, Around(one, many))

    @contextmanager
    def _answering(self, method: str, given: str) -> Iterator[str]:
        request_id, began_s = named(given), perf_counter()
        REQUEST.set(request_id)
        try:
            yield request_id
        finally:
            seconds = perf_counter() - began_s
            if method in set(Rpc):
                self._telemetry.rpc_took(Rpc(method), seconds)
            log.debug("answered", extra={"route": method, "duration_s": round(seconds, 3)})
