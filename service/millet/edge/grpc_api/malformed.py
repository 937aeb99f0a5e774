"""What arrives and is no message of its kind: a clear status for its caller, and nothing in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from millet.edge.grpc_api.behaviours import (
    Around,
    Context,
    Continuation,
    Handler,
    around,
    behaviour,
    is_async,
)
from millet.edge.grpc_api.refusals import Refusal, refuse


class _Malformed:
    """In the place of a request that could not be read."""


class MalformedInterceptor(grpc.aio.ServerInterceptor):
    """Answers INVALID_ARGUMENT where gRPC for Python would say UNKNOWN and log an exception."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, which reads each request with care."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        if handler.request_streaming:
            return _careful_of_each(handler)
        return _careful(handler)


def _careful(handler: Handler) -> Handler:
    inner = behaviour(handler)

    async def one(request: Any, context: Context) -> Any:
        await _check(request, context)
        return await inner(request, context)

    async def many(request: Any, context: Context) -> AsyncIterator[Any]:
        await _check(request, context)
        async for answer in inner(request, context):
            yield answer

    return around(handler, Around(one, many), read=_reader(handler.request_deserializer))


def _careful_of_each(handler: Handler) -> Handler:
    """A handler of a stream; one that runs in a thread, as reflection does, is left as it is."""
    if not is_async(handler):
        return handler
    inner = behaviour(handler)

    async def one(requests: AsyncIterator[Any], context: Context) -> Any:
        return await inner(_checked(requests), context)

    async def many(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for answer in inner(_checked(requests), context):
            yield answer

    return around(handler, Around(one, many), read=_reader(handler.request_deserializer))


async def _checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The requests, until one is none; that ends the call where it is read."""
    async for request in requests:
        if isinstance(request, _Malformed):
            raise _refusal()
        yield request


def _reader(read: Any) -> Callable[[bytes], Any]:
    def careful(sent: bytes) -> Any:
        try:
            return read(sent)
        except DecodeError:
            return _Malformed()

    return careful


async def _check(request: Any, context: Context) -> None:
    if isinstance(request, _Malformed):
        await refuse(context, _refusal())


def _refusal() -> Refusal:
    why = "the request is no message of this call"
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED", why)
