"""The gate before the gRPC services: TLS that is renewed, and callers who are recognised."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from time import monotonic
from typing import Any
from urllib.parse import unquote

import grpc

from millet.codec.bounds import LONGEST_UID
from millet.core.doors import Certificate
from millet.core.roles import Open, Verdict, Who, needed_by_rpc
from millet.edge.grpc_api.behaviours import Around, Context, Continuation, Handler, around, behaviour
from millet.edge.grpc_api.http_context import HttpContext
from millet.edge.grpc_api.refusals import Refusal, refuse
from millet.ports import Ask, Gate, Pems, Shown

Admit = Callable[[Context], Awaitable[None]]
AGAIN_S = 60.0
CALLER: ContextVar[Who | None] = ContextVar("caller", default=None)
"""Whom the gate recognised, for the length of a call."""
ASKED: ContextVar[Ask | None] = ContextVar("asked", default=None)
"""What the gate was asked, for the length of a call; None where it needs no role."""
REFUSED = {
    Verdict.UNKNOWN: (
        grpc.StatusCode.UNAUTHENTICATED,
        "UNAUTHENTICATED",
        "show a bearer token or a certificate",
    ),
    Verdict.DENIED: (grpc.StatusCode.PERMISSION_DENIED, "ROLE_DENIED", "your role may not call this"),
}


def credentials(pems: Callable[[], Pems], *, require: bool) -> grpc.ServerCredentials:
    """Credentials that ask for the newest certificate at each new connection.

    Args:
        pems: what is used now.
        require: whether clients must show a certificate; gRPC cannot make it optional.
    """
    used = pems()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        newest = pems()
        if newest == used:
            return None
        used = newest
        return _configuration(used)

    fetcher: Callable[[], Any] = renewed  # the stubs do not know that None is "nothing new"
    return grpc.dynamic_ssl_server_credentials(_configuration(used), fetcher, require)


def _configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.certificate)], pems.roots)


class GateInterceptor(grpc.aio.ServerInterceptor):
    """Asks the gate before each call.

    Args:
        gate: whom it asks.
        again_s: how old an answer may be for the next message of a stream, so that whoever may no longer
            read is not read to for days.
    """

    def __init__(self, gate: Gate, again_s: float = AGAIN_S) -> None:
        self._gate = gate
        self._again_s = again_s

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, behind the gate where it needs a role."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or needed_by_rpc(method) is Open.TO_ALL:
            return handler

        async def admit(context: Context) -> None:
            await self._admit(method, context)

        return self._behind(handler, admit)

    async def _admit(self, method: str, context: Context) -> None:
        asked = _asked(method, context)
        verdict, who = await asyncio.to_thread(self._gate.ask, asked)
        if verdict is not Verdict.ALLOWED:
            await refuse(context, Refusal(*REFUSED[verdict]))
        ASKED.set(asked)
        CALLER.set(who)

    def _behind(self, handler: Handler, admit: Admit) -> Handler:
        """The same handler with the gate before its behaviour, be it one answer or a stream of them."""
        inner = behaviour(handler)

        async def one(request: Any, context: Context) -> Any:
            await admit(context)
            return await inner(request, context)

        async def many(request: Any, context: Context) -> AsyncIterator[Any]:
            await admit(context)
            admitted_s = monotonic()
            async for answer in inner(request, context):
                if monotonic() - admitted_s >= self._again_s:
                    await admit(context)
                    admitted_s = monotonic()
                yield answer

        return around(handler, Around(one, many))


class ServedInterceptor(grpc.aio.ServerInterceptor):
    """Tells the gate what is given out to whom it let through; stands where the message is known."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The handler, and what is told of it: one answer when it is made, a stream before it begins."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        inner = behaviour(handler)

        async def one(request: Any, context: Context) -> Any:
            answer = await inner(request, context)
            self._tell(request)
            return answer

        async def many(request: Any, context: Context) -> AsyncIterator[Any]:
            self._tell(request)
            async for answer in inner(request, context):
                yield answer

        return around(handler, Around(one, many))

    def _tell(self, request: Any) -> None:
        if asked := ASKED.get():
            self._gate.served(asked, CALLER.get(), _series_of(request))


def _series_of(request: Any) -> str:
    """Which series is asked for; no more of what is none than a UID may have, since nobody has checked it."""
    return str(getattr(request, "series_uid", ""))[:LONGEST_UID]


def _asked(method: str, context: Context | HttpContext) -> Ask:
    needed = needed_by_rpc(method)
    if isinstance(context, HttpContext):
        return Ask(door="http", what=method, needed=needed, shown=context.shown)
    return Ask(door="grpc", what=method, needed=needed, shown=shown(context))


def shown(context: Context | grpc.ServicerContext) -> Shown:
    """What a caller shows."""
    given = dict(context.invocation_metadata() or ())
    scheme, _, token = str(given.get("authorization", "")).partition(" ")
    return Shown(
        address=address(context),
        token=token.strip() if scheme.lower() == "bearer" else "",
        certificate=_certificate(context),
    )


def address(context: Context | HttpContext | grpc.ServicerContext) -> str:
    """The IP address in gRPC's `ipv4:10.0.0.1:5000` or `ipv6:[::1]:5000`; empty for other kinds."""
    if isinstance(context, HttpContext):
        return context.shown.address
    kind, _, rest = unquote(context.peer()).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""


def _certificate(context: Context | grpc.ServicerContext) -> Certificate | None:
    told: Mapping[str, Any] = context.auth_context()
    if not (pem := next(iter(told.get("x509_pem_cert", ())), b"")):
        return None
    der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))
    common_name = next(iter(told.get("x509_common_name", ())), b"").decode("utf-8", "replace")
    return Certificate(common_name=common_name, sha256=hashlib.sha256(der).hexdigest())
