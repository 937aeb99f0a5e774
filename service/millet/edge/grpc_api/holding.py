"""What callers may hold of the server: those whom nobody knows little, and nobody for long without a message.

Theory of operation. gRPC reads the message of a method that takes one before the method is asked for
anything, for as long as the caller likes, and counts the call among those that are answered at once; a few
connections of strangers would take them all. So such a method becomes one that takes a stream, which is the
same on the wire: the gate is asked first, and whoever passes has a while for the message. What needs no role
has a share of its own, of which a place is taken until the caller has the answer or is gone. From one address
no more are taken than are left for all others: who comes alone gets half of them, and fills nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import grpc

from millet.core.attempts import place
from millet.core.roles import Open, needed_by_rpc
from millet.edge.grpc_api.behaviours import Around, Context, Continuation, Handler, around, behaviour
from millet.edge.grpc_api.gate import address
from millet.edge.grpc_api.refusals import Refusal, refuse

MESSAGE_S = 30.0
"""For the message of a call to come."""
SHARE = 100
"""Calls at once of each method that needs no role."""


class MessageInterceptor(grpc.aio.ServerInterceptor):
    """Waits for the one message of a call; stands behind the gate.

    Args:
        within_s: for how long it waits.
    """

    def __init__(self, within_s: float = MESSAGE_S) -> None:
        self._within_s = within_s

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, as one that takes a stream."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        inner = behaviour(handler)

        async def one(requests: AsyncIterator[Any], context: Context) -> Any:
            return await inner(await self._message(requests, context), context)

        async def many(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async for answer in inner(await self._message(requests, context), context):
                yield answer

        return around(handler, Around(one, many), takes_stream=True)

    async def _message(self, requests: AsyncIterator[Any], context: Context) -> Any:
        try:
            async with asyncio.timeout(self._within_s):
                return await anext(requests)
        except TimeoutError:
            why = "the call did not go on; call again"
            await refuse(context, Refusal(grpc.StatusCode.ABORTED, "STALLED", why))
        except StopAsyncIteration:
            why = "this call takes one message"
            await refuse(context, Refusal(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED", why))


class ShareInterceptor(grpc.aio.ServerInterceptor):
    """Lets so many call at once what needs no role, over gRPC and HTTP together.

    Args:
        share: calls of each method.
    """

    def __init__(self, share: int = SHARE) -> None:
        self._share = share
        self._held: defaultdict[str, list[str]] = defaultdict(list)
        """Where the callers of each method are."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, among not too many where it needs no role."""
        handler, method = await continuation(handler_call_details), str(handler_call_details.method)
        if handler is None or needed_by_rpc(method) is not Open.TO_ALL:
            return handler
        inner = behaviour(handler)

        async def one(request: Any, context: Context) -> Any:
            await self._hold(method, context)
            return await inner(request, context)

        async def many(request: Any, context: Context) -> AsyncIterator[Any]:
            await self._hold(method, context)
            async for answer in inner(request, context):
                yield answer

        return around(handler, Around(one, many))

    async def _hold(self, method: str, context: Context) -> None:
        """Take a place until the call is over."""
        held, where = self._held[method], place(address(context))
        if held.count(where) >= self._share - len(held):
            why = "there are too many such calls at once; come later"
            await refuse(context, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", why))
        held.append(where)

        def give_back(_context: Context) -> None:
            held.remove(where)

        over: Any = give_back  # the stubs do not know that a function will do
        context.add_done_callback(over)
