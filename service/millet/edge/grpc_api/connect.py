"""The calls of the contract for browsers: Connect and gRPC-Web over HTTP/1.1, onto the same services.

Theory of operation. Nothing is called twice over: a request becomes the message that gRPC would have read,
the method is the registered one behind the interceptors of the gRPC server (name, gate, audit trail), and
what it answers is written as the caller's content type asks. A caller that is gone, and a deadline that is
over, end the call as gRPC would.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from inspect import isasyncgenfunction
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from millet.edge.grpc_api import framing
from millet.edge.grpc_api.behaviours import Handler
from millet.edge.grpc_api.framing import KINDS, Answer, Frames, Kind
from millet.edge.grpc_api.http_context import Ended, HttpContext, Metadata
from millet.edge.grpc_api.refusals import Refusal, bad
from millet.edge.grpc_api.registered import Method, Registered
from millet.edge.telemetry.requests import HEADER, REQUEST
from millet.ports import Shown

log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""Of a message, as gRPC takes it."""
MOST_CALLS = 2000
"""At once, as over gRPC."""
MOST_HELD = 64 * 1024 * 1024
"""Bytes of all requests that are coming in at once, beyond what is anybody's: the gate is asked after."""
ANYBODYS = 16 * 1024
"""Bytes of a request. Most have fewer, so that whoever fills the room keeps nobody else from calling."""
BODY_S = 30.0
"""For a request to come in."""
UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
UNKNOWN_FIELD = re.compile(r'has no field named "(\w{1,60})"')
WRONG_VALUE = re.compile(r"Failed to parse (\w{1,60}) field")

Code = grpc.StatusCode
Hold = Callable[[int], None]


class Connect:
    """An ASGI application whose paths are full names of methods. Belongs to the gRPC server's event loop."""

    def __init__(
        self, registered: Registered, *, most_calls: int = MOST_CALLS, most_held: int = MOST_HELD
    ) -> None:
        self._registered = registered
        self._most_calls = most_calls
        self._calls = 0
        self._room = _Room(most_held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = KINDS.get(Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower())
        if scope["method"] != "POST":
            await _say(send, 405, [(b"allow", b"POST")])
        elif kind is None:
            await _say(send, 415, framing.accepted())
        else:
            answer = framing.answer(kind, send)
            try:
                await self._within_bounds(_Request(scope, receive, kind), answer)
            except Ended as ended:
                await answer.end(ended)

    async def _within_bounds(self, request: _Request, answer: Answer) -> None:
        """One call, among not too many, until its deadline. Raises Ended."""
        if self._calls >= self._most_calls:
            raise Ended(Code.RESOURCE_EXHAUSTED, "there are too many calls at once; come later")
        self._calls += 1
        try:
            async with asyncio.timeout(request.timeout_s()):
                await self._call(request, answer)
        except TimeoutError:
            raise Ended(Code.DEADLINE_EXCEEDED, "the deadline is over") from None
        finally:
            self._calls -= 1

    async def _call(self, request: _Request, answer: Answer) -> None:
        method = await self._registered.method(request.path, request.metadata)
        if method is None:
            raise Ended(Code.UNIMPLEMENTED, "there is no such call for one message; others are for gRPC")
        is_stream = method.handler.response_streaming
        if is_stream == (request.kind.frames is Frames.NONE) and request.kind.frames is not Frames.WEB:
            words = "application/connect+json" if is_stream else "application/json"
            raise Ended(Code.UNIMPLEMENTED, f"this call is made with {words}, or the same with proto")
        with self._room.share() as hold:
            message = await request.message(method, hold)
        context = HttpContext(request.metadata, request.shown, answer.write)
        try:
            work = _behaved(method.handler, message, context)
            if await _unless_gone(request.receive, work):
                await answer.end(None)
        finally:
            context.over()


class _Room:
    """What requests that are coming in may hold, all of them together.

    Args:
        free: bytes.
    """

    def __init__(self, free: int) -> None:
        self._free = free

    @contextmanager
    def share(self) -> Iterator[Hold]:
        """A way to say how many bytes one request holds by now; raises Ended where there is no room."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            more = max(0, size - ANYBODYS) - held
            if more > self._free:
                raise Ended(Code.RESOURCE_EXHAUSTED, "too much is being sent at once; come later")
            held += more
            self._free -= more

        try:
            yield hold
        finally:
            self._free += held


class _Request:
    """What came over HTTP."""

    def __init__(self, scope: Scope, receive: Receive, kind: Kind) -> None:
        self.path: str = scope["path"]
        self.receive = receive
        self.kind = kind
        self._headers = Headers(scope=scope)
        self.shown: Shown = scope["state"]["shown"]

    @property
    def metadata(self) -> Metadata:
        """The headers; the request has its name by now."""
        return [*((k, v) for k, v in self._headers.items() if k != HEADER), (HEADER, REQUEST.get())]

    def timeout_s(self) -> float | None:
        """How long the caller waits; None for as long as it takes. Raises Ended."""
        said = self._headers.get("connect-timeout-ms")
        said = f"{said}m" if said is not None else self._headers.get("grpc-timeout")
        if said is None:
            return None
        if not (read := re.fullmatch(r"([0-9]{1,10})([HMSmun])", said)):
            raise Ended.of(_malformed("the timeout is at most ten digits"))
        return int(read[1]) * UNITS_S[read[2]]

    async def message(self, method: Method, hold: Hold) -> Any:
        """The message; what is no message of its kind is told apart by an interceptor. Raises Ended."""
        version = self._headers.get("connect-protocol-version", "1")
        if version != "1":
            raise Ended.of(_malformed("this is version 1 of the protocol"))
        for name in ("content-encoding", "connect-content-encoding", "grpc-encoding"):
            if self._headers.get(name, "identity") != "identity":
                raise Ended(Code.UNIMPLEMENTED, "requests come uncompressed: the one encoding is identity")
        try:
            sent = framing.unframed(await self._body(hold), self.kind)
        except ValueError as error:
            raise Ended.of(_malformed(str(error))) from None
        if self.kind.in_json:
            return await asyncio.to_thread(_parsed, sent, method.request)
        return (method.handler.request_deserializer or method.request.FromString)(sent)

    async def _body(self, hold: Hold) -> bytes:
        said = self._headers.get("content-length", "0")
        size = int(said[:20]) if said.isdecimal() else 0
        most = MOST_BYTES + (0 if self.kind.frames is Frames.NONE else framing.HEAD.size)
        read, more = bytearray(), True
        async with asyncio.timeout(BODY_S):
            while more:
                if max(size, len(read)) > most:
                    raise Ended(Code.RESOURCE_EXHAUSTED, f"a message has at most {MOST_BYTES} bytes")
                told = await self.receive()
                if told["type"] == "http.disconnect":
                    raise Ended(Code.CANCELLED, "the caller is gone")
                read += told.get("body", b"")
                hold(len(read))
                more = told.get("more_body", False)
        return bytes(read)


async def _behaved(handler: Handler, message: Message, context: HttpContext) -> None:
    """Have a call answered. Raises Ended, whatever goes wrong."""
    name = f"unary_{'stream' if handler.response_streaming else 'unary'}"
    behaviour: Any = getattr(handler, name)
    try:
        if isasyncgenfunction(behaviour):
            async with aclosing(behaviour(message, context)) as answers:
                async for one in answers:
                    await context.write(one)
        elif (one := await behaviour(message, context)) is not None:
            await context.write(one)
    except Ended:
        raise
    except Exception as error:
        log.exception("a call that came over HTTP failed")
        raise Ended(Code.UNKNOWN, "the call failed") from error


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Do it while the caller is there; whether it was done. What it raises is raised."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed(sent: bytes, kind: type[Message]) -> Message:
    """A message of JSON. Raises Ended, which names the field and no value."""
    try:
        return json_format.Parse(sent, kind())
    except (json_format.ParseError, ValueError, RecursionError) as error:
        told = str(error)
    if found := UNKNOWN_FIELD.search(told):
        raise Ended.of(bad(found[1], f"{found[1]}: the message has no such field"))
    if found := WRONG_VALUE.search(told):
        raise Ended.of(bad(found[1], f"{found[1]}: the value is none of this field"))
    raise Ended.of(_malformed("the request is no JSON of this call's message"))


def _malformed(why: str) -> Refusal:
    return Refusal(Code.INVALID_ARGUMENT, "MALFORMED", why)


async def _say(send: Send, status: int, headers: Any) -> None:
    length = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": [*length, *headers]})
    await send({"type": "http.response.body", "body": b""})
