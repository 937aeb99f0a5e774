"""The gate before a KServe server that others use, and how much of theirs is held.

Theory of operation. gRPC waits for the message of a unary call in a thread of the server, for as long as the
caller likes; a few strangers who send none would hold every thread. Behind the guard each call is one that
takes a stream, which is the same on the wire: the gate is asked first, and waiting is for who may call, and
for so long only.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import grpc

from millet.core.roles import Open, Verdict, needed_by_rpc
from millet.ports import Ask, Gate, Shown

Context = grpc.ServicerContext
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MOST_BYTES = 128 * 2**20
"""Of a request. A client of ours sends fewer windows at once when it is told RESOURCE_EXHAUSTED."""
SILENCE_S = 60.0
"""For which a message may take to come whole: as long as a client of ours waits for an answer."""
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
        silence_s: for which a caller whom the gate knows may leave its message out.
    """

    def __init__(
        self,
        gate: Gate,
        shown: Callable[[Any], Shown],
        most_bytes: int = MOST_BYTES,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._gate = gate
        self._shown = shown
        self._silence_s = silence_s
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
            return inner(self._message(requests, context), context)

        return grpc.stream_unary_rpc_method_handler(behind, read, handler.response_serializer)

    def _message(self, requests: Iterator[Any], context: Context) -> Any:
        """The message of a call; ends the call where none comes."""
        come: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def wait() -> None:
            request = None
            with suppress(grpc.RpcError):  # the call is over
                request = next(requests, None)
            come.put(request)

        threading.Thread(target=wait, name="kserve message", daemon=True).start()
        try:
            request = come.get(timeout=self._silence_s)
        except queue.Empty:
            context.abort(grpc.StatusCode.ABORTED, "the call did not go on; call again")
        if request is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "this call takes one message")
        return request
