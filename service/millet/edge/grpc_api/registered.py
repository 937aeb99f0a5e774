"""What is registered with the gRPC server, for who calls it by another protocol, behind the same gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import grpc
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from millet.edge.grpc_api.behaviours import Handler
from millet.edge.grpc_api.http_context import Metadata


@dataclass(frozen=True, kw_only=True)
class Details(grpc.HandlerCallDetails):
    """Which method is called, and what stands beside the message."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...]


class Method(NamedTuple):
    """A method that can be called with one message."""

    handler: Handler
    request: type[Message]


class Registered:
    """Stands where a server does while services are registered; then finds their methods.

    Args:
        interceptors: those of the gRPC server, the outermost first.
    """

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor]) -> None:
        self._interceptors = interceptors
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Register services, as generated code does it."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, _service: str, _handlers: object) -> None:
        """The same ones once more, as generated code does it."""

    async def method(self, name: str, metadata: Metadata) -> Method | None:
        """The method of a full name (`/package.Service/Method`); None for none that takes one message."""
        details = Details(method=name, invocation_metadata=tuple(metadata))
        found = next((one for held in self._generic if (one := held.service(details))), None)
        if found is None or found.request_streaming:
            return None
        handler = await self._behind(0, details, found)
        described = Default().FindMethodByName(name.removeprefix("/").replace("/", "."))
        return Method(handler, GetMessageClass(described.input_type))

    async def _behind(self, number: int, details: grpc.HandlerCallDetails, found: Handler) -> Handler:
        """The handler behind the interceptors from one on."""
        if number == len(self._interceptors):
            return found

        async def rest(asked: grpc.HandlerCallDetails) -> Handler:
            return await self._behind(number + 1, asked, found)

        return await self._interceptors[number].intercept_service(rest, details) or found
