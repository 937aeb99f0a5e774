"""A call that came over HTTP, as the services and what stands before them see it: like one of gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from millet.edge.grpc_api.refusals import DETAILS, Refusal
from millet.ports import Shown

Metadata = Sequence[tuple[str, str]]


class Ended(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A call ends with another status than OK."""

    def __init__(self, code: grpc.StatusCode, why: str, details: Sequence[Packed] = ()) -> None:
        self.code = code
        self.details = tuple(details)
        super().__init__(why)

    @classmethod
    def of(cls, refusal: Refusal) -> Ended:
        """The end of a call that is refused before any service has seen it."""
        return cls(refusal.code, str(refusal), refusal.packed())


class HttpContext:
    """As much of `grpc.aio.ServicerContext` as our services and interceptors use.

    Args:
        metadata: the headers of the request, names in lower case.
        shown: what the caller shows.
        write: sends one message of a stream.
    """

    def __init__(self, metadata: Metadata, shown: Shown, write: Callable[[Message], Awaitable[None]]) -> None:
        self.shown = shown
        self._metadata = metadata
        self._write = write
        self._ending: list[Callable[[HttpContext], None]] = []

    def invocation_metadata(self) -> Metadata:
        """The headers of the request."""
        return self._metadata

    async def send_initial_metadata(self, _metadata: Metadata) -> None:
        """Nothing: what we tell, the name of the request, the HTTP server tells by itself."""

    async def write(self, message: Message) -> None:
        """Send one message of a stream."""
        await self._write(message)

    def add_done_callback(self, told: Callable[[HttpContext], None]) -> None:
        """Have it told when the call is over."""
        self._ending.append(told)

    def over(self) -> None:
        """The call is over."""
        for told in self._ending:
            told(self)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Sequence[tuple[str, Any]] = ()
    ) -> NoReturn:
        """End the call."""
        told = dict(trailing_metadata).get(DETAILS, b"")
        raise Ended(code, details, Status.FromString(told).details)
