"""One association as its acceptor (PS3.8 7): each request is answered before the next is read.

A thread serves one association. No byte of an instance becomes an object of ours: pieces of the socket's
buffer go to the reception, which has them on disk before the response. Whatever is wrong with one
instance becomes its status, and the association goes on; what is wrong with the protocol ends it.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from pynetdicom.presentation import PresentationContext

from millet.edge.scp import commands, negotiation
from millet.edge.scp.commands import Command, Field
from millet.edge.scp.inbound import Inbound
from millet.edge.scp.messages import Messages, ProtocolError
from millet.edge.scp.storing import PROCESSING_FAILURE, SUCCESS, Storing
from millet.errors import ServiceError
from millet.ports import Offer, Reception, Site

NO_SUCH_OPERATION = 0x0211
"""DIMSE "Unrecognized Operation" (PS3.7 C.5.19)."""
ASSOCIATE_RQ, ABORT = 1, 7
LONGEST_REQUEST_BYTES = 1 << 20
"""An association request with all contexts in all transfer syntaxes is a third of it."""
LONGEST_OTHER_BYTES = 1 << 22
"""Of a data set that is no instance, kept in memory: a storage commitment of ten thousand references."""
NEGOTIATE_S = 30.0
"""For a whole association request (ARTIM, PS3.8 9.1.5)."""


class Caller(NamedTuple):
    """Who asks for an association."""

    calling_ae: str
    called_ae: str
    address: str
    certificate: str = ""
    """Subject common name of the certificate that was shown; empty without."""
    fingerprint: str = ""
    """SHA-256 of that certificate, in hex."""
    expires: str = ""
    """Until when it holds, as `ssl.cert_time_to_seconds` reads it."""


class Refusal(NamedTuple):
    """Why an association is not accepted: in words for the log, in numbers for the peer (PS3.8 9.3.4)."""

    why: str
    result: int = 1
    source: int = 1
    reason: int = 1


class Answer(NamedTuple):
    """What a service answers to a request."""

    status: int
    data_set: bytes = b""
    comment: str = ""


class Came(NamedTuple):
    """What became of one C-STORE."""

    calling_ae: str
    status: int
    why: str
    size_bytes: int
    seconds: float


Service = Callable[[Command, bytes, Caller], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What stands behind associations."""

    site: Callable[[Caller], str]
    """Whose identifiers are those that somebody sends."""
    judge: Callable[[Caller], Refusal | None]
    """Whether somebody may come in."""
    reception: Callable[[], Reception]
    """Where the instances of an association go."""
    came: Callable[[Came], None]
    """Told of each C-STORE."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """Other services by abstract syntax."""
    asked: Callable[[Caller, Refusal | None], None] = lambda _caller, _refusal: None
    """Told who wanted an association, and why it was refused, if it was."""
    began: Callable[[int], None] = lambda _number: None
    """Told of the number of each accepted association."""
    ended: Callable[[int], None] = lambda _number: None
    """Told of it again, once, however it ended."""


class Acceptor:
    """One association, from its request to its end. Raises Lost or ProtocolError."""

    def __init__(
        self, connection: socket.socket, number: int, behind: Behind, may_grow: Callable[[], bool]
    ) -> None:
        """Make one; asked once, when an instance came whole, is whether it may have a large buffer."""
        self._connection = connection
        self._in = Inbound(connection)
        self._may_grow = may_grow
        self._proven = False
        self._number = number
        self._behind = behind
        self._contexts: Mapping[int, tuple[str, str]] = {}
        self._messages = Messages(connection, self._in, 0)

    def negotiate(
        self, address: str, certificate: tuple[str, ...], known: list[PresentationContext]
    ) -> tuple[Caller, Refusal | None]:
        """Read the request and answer it."""
        self._in.within(NEGOTIATE_S)
        head = self._in.exactly(6)
        kind, _, length = struct.unpack(">BBI", head)
        if kind != ASSOCIATE_RQ or length > LONGEST_REQUEST_BYTES:
            raise ProtocolError("the first thing said is no association request")
        try:
            asked = negotiation.decode(head + self._in.exactly(length))
            caller = Caller(asked.calling_ae, asked.called_ae, address, *certificate)
            if refusal := self._behind.judge(caller):
                self._connection.sendall(negotiation.reject(*refusal[1:]))
                return caller, refusal
            answer, self._contexts = negotiation.accept(asked, known)
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        self._messages = Messages(self._connection, self._in, asked.most_bytes)
        self._connection.sendall(answer)
        return caller, None

    def serve(self, caller: Caller) -> None:
        """Answer until the peer releases."""
        reception = self._behind.reception()
        try:
            while (message := self._messages.next()) is not None:
                command, context = message
                if context not in self._contexts:
                    raise ProtocolError("a message in a context that was not accepted")
                self._answer(command, context, caller, reception)
        finally:
            reception.close()

    def abort(self) -> None:
        """End it now (A-ABORT by the service provider, PS3.8 9.3.8)."""
        self._connection.sendall(struct.pack(">BBIBBBB", ABORT, 0, 4, 0, 0, 2, 0))

    def _answer(self, command: Command, context: int, caller: Caller, reception: Reception) -> None:
        match command.field:
            case Field.C_STORE:
                self._store(command, context, caller, reception)
            case Field.C_ECHO:
                self._messages.answer(context, commands.response(command, SUCCESS))
            case Field.C_CANCEL:  # of an operation that is over: no answer
                pass
            case _:
                self._other(command, context, caller)

    def _store(self, command: Command, context: int, caller: Caller, reception: Reception) -> None:
        began_s = perf_counter()
        offer = Offer(
            source=Site(self._behind.site(caller), caller.calling_ae, caller.called_ae),
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax_uid=self._contexts[context][1],
            association=self._number,
        )
        storing = Storing(reception, offer)
        if command.has_data_set:
            self._messages.data_set(storing.take)
        storing.end()
        self._messages.answer(context, commands.response(command, storing.status, storing.why))
        if storing.status == SUCCESS and not self._proven:
            self._proven = True
            if self._may_grow():
                self._in.grow()
        seconds = perf_counter() - began_s
        self._behind.came(Came(caller.calling_ae, storing.status, storing.why, storing.size_bytes, seconds))

    def _other(self, command: Command, context: int, caller: Caller) -> None:
        kept = bytearray()

        def keep(piece: memoryview) -> None:
            if len(kept) + len(piece) > LONGEST_OTHER_BYTES:
                raise ProtocolError("a data set that does not end")
            kept.extend(piece)

        if command.has_data_set:
            self._messages.data_set(keep)
        service = self._behind.services.get(self._contexts[context][0])
        answer = _asked(service, command, bytes(kept), caller) if service else Answer(NO_SUCH_OPERATION)
        response = commands.response(
            command, answer.status, answer.comment, with_data_set=bool(answer.data_set)
        )
        self._messages.answer(context, response, answer.data_set)


def _asked(service: Service, command: Command, data_set: bytes, caller: Caller) -> Answer:
    try:
        return service(command, data_set, caller)
    except ServiceError as failure:
        return Answer(PROCESSING_FAILURE, comment=str(failure))
    except Exception as error:  # noqa: BLE001 - one bad request must not end the association
        kind = type(error).__name__  # without its words, which may quote the data set
        logging.getLogger(__name__).error("a request failed: %s", kind)  # noqa: TRY400 - likewise
        return Answer(PROCESSING_FAILURE)
