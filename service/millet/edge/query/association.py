"""An association that we request, bounded: no wait without an end, no message without a limit.

pynetdicom gathers a PDU of any declared length and a message of any number of PDUs in memory, and waits for
the rest of a PDU for as long as the peer likes. Here the socket has a timeout of its own, and reading stops
with a broken connection where a PDU or a message grows beyond its limit.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from millet.core.peer import Peer
from millet.edge.replies import leave_replies
from millet.errors import ArchiveError

LONGEST_PDU_BYTES = 131_072
"""That we take, and say so in the negotiation; peers may not send longer ones."""
SLACK = 4
"""A peer that overlooks our maximum by little is let be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, and how much to take."""

    connect_s: float = 10.0
    """For the connection, and for the association's acceptance."""
    answer_s: float = 60.0
    """Between two messages, and between two pieces of one; archives may fetch from tape."""
    move_s: float = 600.0
    """Between two messages of a C-MOVE: some archives say nothing until all is sent."""
    retrieve_s: float = 3600.0
    """For one retrieval in all."""
    object_bytes: int = 1_000_000_000
    """Of one instance."""
    answers: int = 100_000
    """Of one query. An archive that sends more has not understood the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who we are to an archive over DIMSE, and how we get there."""

    peer: Peer
    calling_ae: str
    limits: Limits = field(default_factory=Limits)
    tls: Callable[[], ssl.SSLContext] | None = None
    """Asked for each association, so that a renewed certificate is used; None for a plain one."""


class NotOffered(ArchiveError):  # noqa: N818 - no fault: an answer
    """The peer accepts none of the services that we asked for."""


Handlers = Sequence[EventHandlerType]


@contextmanager
def association(
    caller: Caller,
    contexts: Sequence[PresentationContext],
    handlers: Handlers = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Association]:
    """An established association, released or aborted in the end. Raises ArchiveError."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what goes wrong is told once, by the caller
    limits, bounds = caller.limits, _Bounds(caller.limits)
    entity = AE(ae_title=caller.calling_ae)
    entity.connection_timeout = entity.acse_timeout = limits.connect_s
    entity.dimse_timeout = entity.network_timeout = limits.answer_s
    made = entity.associate(
        caller.peer.host,
        caller.peer.port,
        contexts=list(contexts),
        ae_title=caller.peer.ae_title,
        max_pdu=LONGEST_PDU_BYTES,
        ext_neg=list(roles),
        tls_args=None if caller.tls is None else (caller.tls(), caller.peer.host),
        evt_handlers=[
            (evt.EVT_CONN_OPEN, bounds.opened),
            (evt.EVT_DIMSE_RECV, bounds.message_ended),
            *handlers,
        ],
    )
    if not made.is_established:
        raise _refusal(made)
    try:
        yield made
    except BaseException:
        made.abort(block=False)
        raise
    if made.is_established:
        made.release()


def _refusal(made: Association) -> ArchiveError:
    if made.is_rejected:
        return ArchiveError("it rejected the association: it does not know our AE title, or not its own")
    if made.rejected_contexts:
        return NotOffered("it offers no such service")
    return ArchiveError("it cannot be reached, or does not answer")


class _Bounds:
    """What one connection may bring."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._message_bytes = 0

    def opened(self, event: Any) -> None:
        """Put bounds on the connection that was opened."""
        leave_replies(event.assoc)
        transport = event.assoc.dul.socket
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.socket.settimeout(self._limits.answer_s)
        read = transport.recv

        def bounded(count: int) -> bytearray:
            self._message_bytes += count
            if count > SLACK * LONGEST_PDU_BYTES or self._message_bytes > self._most_bytes:
                raise OSError("the archive sends more than it may")
            found: bytearray = read(count)
            return found

        transport.recv = bounded

    def message_ended(self, _event: Any) -> None:
        """The next message counts anew."""
        self._message_bytes = 0

    @property
    def _most_bytes(self) -> int:
        """An instance with its command, and the heads of its PDUs if those are short."""
        return self._limits.object_bytes + self._limits.object_bytes // 8 + LONGEST_PDU_BYTES
