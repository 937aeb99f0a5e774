"""How one message, a stream and an error are written by browsers' protocols: Connect and gRPC-Web.

Connect (connectrpc.com, Protocol Reference): a single answer is its message and nothing else, with an HTTP
status; a stream is of envelopes, a byte of flags and a length before each message, the last one JSON with
the error or none. gRPC-Web (grpc/doc/PROTOCOL-WEB.md) has the same envelopes always, the last one trailers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol
from urllib.parse import quote

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from starlette.types import Send

from millet.edge.grpc_api.http_context import Ended
from millet.edge.grpc_api.refusals import DETAILS

Code = grpc.StatusCode

HEAD = struct.Struct(">BI")
"""Of an envelope: flags, and the bytes that follow."""
END_OF_CONNECT, END_OF_WEB = 0x02, 0x80
HTTP = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""The statuses of Connect's single answers."""


class Frames(Enum):
    """What stands around messages."""

    NONE = auto()
    CONNECT = auto()
    WEB = auto()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a content type says of request and answer alike."""

    media_type: str
    frames: Frames
    in_json: bool


KINDS: Mapping[str, Kind] = {
    kind.media_type: kind
    for kind in (
        Kind("application/json", Frames.NONE, in_json=True),
        Kind("application/proto", Frames.NONE, in_json=False),
        Kind("application/connect+json", Frames.CONNECT, in_json=True),
        Kind("application/connect+proto", Frames.CONNECT, in_json=False),
        Kind("application/grpc-web", Frames.WEB, in_json=False),
        Kind("application/grpc-web+proto", Frames.WEB, in_json=False),
    )
}


class Answer(Protocol):
    """Where messages of an answer go."""

    async def write(self, message: Message) -> None:
        """One message."""

    async def end(self, ended: Ended | None) -> None:
        """No more; None for a call that was answered."""


def answer(kind: Kind, send: Send) -> Answer:
    """An answer that nothing was written of."""
    return _Single(kind, send) if kind.frames is Frames.NONE else _Stream(kind, send)


class _Single:
    def __init__(self, kind: Kind, send: Send) -> None:
        self._kind = kind
        self._send = send

    async def write(self, message: Message) -> None:
        content = await _packed(message, self._kind)
        await self._respond(200, self._kind.media_type, content)

    async def end(self, ended: Ended | None) -> None:
        if ended is not None:
            content = json.dumps(error(ended)).encode()
            await self._respond(HTTP[ended.code], "application/json", content)

    async def _respond(self, status: int, media_type: str, content: bytes) -> None:
        await self._send(_start(media_type, status, len(content)))
        await self._send({"type": "http.response.body", "body": content})


class _Stream:
    def __init__(self, kind: Kind, send: Send) -> None:
        self._kind = kind
        self._send = send
        self._started = False

    async def write(self, message: Message) -> None:
        await self._put(0, await _packed(message, self._kind), more=True)

    async def end(self, ended: Ended | None) -> None:
        if self._kind.frames is Frames.WEB:
            await self._put(END_OF_WEB, trailers(ended), more=False)
        else:
            told = {} if ended is None else {"error": error(ended)}
            await self._put(END_OF_CONNECT, json.dumps(told).encode(), more=False)

    async def _put(self, flags: int, content: bytes, *, more: bool) -> None:
        if not self._started:
            self._started = True
            await self._send(_start(self._kind.media_type))
        body = HEAD.pack(flags, len(content)) + content
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _start(media_type: str, status: int = 200, size: int | None = None) -> dict[str, Any]:
    headers = [(b"content-type", media_type.encode())]
    headers += [] if size is None else [(b"content-length", str(size).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _packed(message: Message, kind: Kind) -> bytes:
    if not kind.in_json:
        return message.SerializeToString()
    return (await asyncio.to_thread(json_format.MessageToJson, message, indent=None)).encode()


def error(ended: Ended) -> dict[str, Any]:
    """An error as Connect writes it; each detail stands beside its bytes as JSON, for who has no protobuf."""
    code = "canceled" if ended.code is Code.CANCELLED else ended.code.name.lower()
    details = [
        {
            "type": one.type_url.rpartition("/")[2],
            "value": base64.b64encode(one.value).decode().rstrip("="),
            "debug": {k: v for k, v in json_format.MessageToDict(one).items() if k != "@type"},
        }
        for one in ended.details
    ]
    return {"code": code, "message": str(ended), **({"details": details} if details else {})}


def trailers(ended: Ended | None) -> bytes:
    """The end of a call as gRPC-Web writes it."""
    if ended is None:
        return b"grpc-status: 0\r\n"
    number, why = ended.code.value[0], str(ended)
    status = Status(code=number, message=why, details=ended.details).SerializeToString()
    told = base64.b64encode(status).decode().rstrip("=")
    return f"grpc-status: {number}\r\ngrpc-message: {quote(why)}\r\n{DETAILS}: {told}\r\n".encode()


def unframed(body: bytes, kind: Kind) -> bytes:
    """The one message of a request. Raises ValueError where there is not exactly one, or it is compressed."""
    if kind.frames is Frames.NONE:
        return body
    flags, size = HEAD.unpack_from(body) if len(body) >= HEAD.size else (1, 0)
    if flags or len(body) != HEAD.size + size:
        raise ValueError("a request is one envelope that is not compressed")
    return body[HEAD.size :]


def accepted() -> Sequence[tuple[bytes, bytes]]:
    """The header that tells which kinds there are."""
    return [(b"accept-post", ", ".join(KINDS).encode())]
