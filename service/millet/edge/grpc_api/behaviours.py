"""What a method of gRPC does, and the same method doing something around it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
"""How an interceptor gets the method that stands behind it."""


class Around(NamedTuple):
    """A behaviour of each kind; that of the method's own kind is used."""

    one: Callable[[Any, Context], Awaitable[Any]]
    """Gives one answer, or writes its answers by itself."""
    many: Callable[[Any, Context], AsyncIterator[Any]]


def behaviour(handler: Handler) -> Callable[[Any, Context], Any]:
    """What a method does."""
    found: Callable[[Any, Context], Any] = getattr(
        handler, _kind(handler.request_streaming, handler.response_streaming)
    )
    return found


def is_async(handler: Handler) -> bool:
    """Whether a method runs in the event loop; one that does not runs in a thread, as reflection may."""
    inner = behaviour(handler)
    return inspect.isasyncgenfunction(inner) or inspect.iscoroutinefunction(inner)


def around(
    handler: Handler,
    outer: Around,
    *,
    takes_stream: bool | None = None,
    read: Callable[[bytes], Any] | None = None,
) -> Handler:
    """The same method with another behaviour.

    Args:
        handler: the method.
        outer: what it does then.
        takes_stream: whether `outer` takes a stream of requests; None for what the method takes.
        read: makes a request of its bytes; None for what the method has for it.
    """
    streams = handler.request_streaming if takes_stream is None else takes_stream
    chosen = outer.many if inspect.isasyncgenfunction(behaviour(handler)) else outer.one
    make = getattr(grpc, f"{_kind(streams, handler.response_streaming)}_rpc_method_handler")
    made: Handler = make(chosen, read or handler.request_deserializer, handler.response_serializer)
    return made


def _kind(takes_stream: bool, gives_stream: bool) -> str:  # noqa: FBT001 - as gRPC names them
    return f"{'stream' if takes_stream else 'unary'}_{'stream' if gives_stream else 'unary'}"
