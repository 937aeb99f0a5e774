"""The gate before a KServe server that others use, and how much of theirs is held.

Theory of operation. gRPC waits for the message of a unary call in a thread of the server, for as long as the
caller likes; a few strangers who send none would hold every thread. Behind the guard each call is one that
takes a stream, which is the same on the wire: the gate is asked first, and waiting is for who may call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc

from millet.core.roles import Open, Verdict, needed_by_rpc
from millet.ports import Ask, Gate, Shown

Context = grpc.ServicerContext
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MOST_BYTES = 128 * 2**20
"""Of a request. A client of ours sends fewer windows at once when it is told RESOURCE_EXHAUSTED."""
REFUSED = {
    Verdict.UNKNOWN: (grpc.StatusCode.UNAUTHENTICATED, "show a bearer token or a certificate"),
    Verdict.DENIED: (grpc.StatusCode.PERMISSION_DENIED, "your role may not call this"),
}


class Guard(grpc.ServerInterceptor):
    """Asks the gate before each call.

    Args:
        gate: whom it asks.
        shown: what a caller shows, by the context of its call.
        most_bytes: of a request.
    """

    def __init__(self, gate: Gate, shown: Callable[[Any], Shown], most_bytes: int = MOST_BYTES) -> None:
        self._gate = gate
        self._shown = shown
        self.limits = (
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", most_bytes),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        )
        """Options of the server. One who vanishes within a call is let go."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The handler, behind the gate where it needs a role."""
        handler, method = continuation(handler_call_details), str(handler_call_details.method)
        if handler is None or handler.unary_unary is None:
            return handler
        inner: Callable[[Any, Context], Any] = handler.unary_unary
        read: Callable[[bytes], Any] = handler.request_deserializer or bytes
        needed = needed_by_rpc(method)

        def behind(requests: Iterator[Any], context: Context) -> Any:
            if needed is Open.TO_ALL:
                return inner(read(b""), context)
            asked = Ask(door="grpc", what=method, needed=needed, shown=self._shown(context))
            verdict, _who = self._gate.ask(asked)
            if verdict is not Verdict.ALLOWED:
                context.abort(*REFUSED[verdict])
            if (request := next(requests, None)) is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "this call takes one message")
            return inner(request, context)

        return grpc.stream_unary_rpc_method_handler(behind, read, handler.response_serializer)
