"""The Storage SCP: PDUs in, one plain callable per instance, a DIMSE status out (PS3.4 B.2).

All storage classes are negotiated, so that an object that we do not take gets a status of its own in a
mixed association instead of a rejected context. No data set is decoded here, and nothing a sender sends
ends its association.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import ThreadedAssociationServer

from millet.errors import RefusedInstance, StoreError
from millet.ports import Received, Site

VERIFICATION = "1.2.840.10008.1.1"
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
    }
)
"""What is taken. Everything else is refused with 0x0122: a sender that still needs the object stored
must not be told that we did, and our own reports must not come back as work."""
LONGEST_PDU_BYTES = 131_072
MOST_ASSOCIATIONS = 64
IDLE_S = 300.0
"""Scanners pause between slices for longer than pynetdicom's 60 seconds."""

Store = Callable[[Received, int], None]
"""Take an instance that came over an association (a number); returns when it is durable.

Raises RefusedInstance or StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where and as whom we listen."""

    site: str
    host: str
    port: int
    """0 for any free one."""
    ae_title: str
    known_peers: tuple[str, ...] = ()
    """Calling AE titles that may associate; empty for any."""


class StorageScp:
    """Storage and Verification on one port, a thread an association."""

    def __init__(
        self,
        listen: Listen,
        store: Store,
        ended: Callable[[int], None],
        asked: Callable[[str, bool], None] = lambda _calling_ae, _accepted: None,
    ) -> None:
        self._listen = listen
        self._store = store
        self._ended = ended
        self._asked = asked
        self._numbers = count(1)
        self._server: ThreadedAssociationServer | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the SCP does not listen")
        return int(self._server.server_address[1])

    @property
    def associations(self) -> int:
        """How many associations are open."""
        return len(self._server.active_associations) if self._server else 0

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        logging.getLogger("pynetdicom").setLevel(logging.WARNING)
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_ACCEPTED, lambda event: self._answered(event, accepted=True)),
            (evt.EVT_REJECTED, lambda event: self._answered(event, accepted=False)),
            (evt.EVT_DATA_RECV, _acknowledge_at_once),
            (evt.EVT_C_STORE, self._stored),
        ]
        entity = _entity(self._listen)
        address = (self._listen.host, self._listen.port)
        self._server = entity.start_server(address, block=False, evt_handlers=handlers)

    def stop(self) -> None:
        """Accept no more and end what is open; what was acknowledged is durable already."""
        if self._server is not None:
            self._server.shutdown()  # which leaves associations open, with threads that the exit waits for
            for association in self._server.active_associations:
                association.abort(block=False)
            self._server = None

    def _opened(self, event: Any) -> None:
        event.assoc.millet_number = next(self._numbers)
        connection = event.assoc.dul.socket.socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _answered(self, event: Any, *, accepted: bool) -> None:
        self._asked(event.assoc.requestor.primitive.calling_ae_title.strip(), accepted)

    def _closed(self, event: Any) -> None:
        self._ended(event.assoc.millet_number)

    def _stored(self, event: Any) -> int:
        """One C-STORE. Whatever goes wrong becomes a status: the association must survive."""
        try:
            if str(event.request.AffectedSOPClassUID) not in CT_CLASSES:
                return SOP_CLASS_NOT_SUPPORTED
            self._store(_received(event, self._listen.site), event.assoc.millet_number)
        except RefusedInstance as refusal:
            return refusal.status
        except StoreError:
            logging.getLogger(__name__).exception("an instance could not be made durable")
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - one bad instance must not end the association
            kind = type(error).__name__  # without its words, which may quote the data set
            logging.getLogger(__name__).error("an instance failed: %s", kind)  # noqa: TRY400 - likewise
            return PROCESSING_FAILURE
        return SUCCESS


def _acknowledge_at_once(event: Any) -> None:
    """Ask for an immediate TCP acknowledgement of what comes next; the kernel forgets it each time.

    Senders such as DCMTK leave Nagle's algorithm on: their next small packet waits for our delayed
    acknowledgement, 40 ms for each instance.
    """
    if (transport := event.assoc.dul.socket) is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _received(event: Any, site: str) -> Received:
    request = event.request
    if request.DataSet is None or not request.AffectedSOPInstanceUID:
        raise RefusedInstance(CANNOT_UNDERSTAND, "a C-STORE without a data set or a UID")
    asked = event.assoc.requestor.primitive
    return Received(
        source=Site(site, asked.calling_ae_title.strip(), asked.called_ae_title.strip()),
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        encoded=event.encoded_dataset(),
    )


def _entity(listen: Listen) -> AE:
    entity = AE(ae_title=listen.ae_title)
    entity.maximum_pdu_size = LONGEST_PDU_BYTES
    entity.maximum_associations = MOST_ASSOCIATIONS
    entity.network_timeout = IDLE_S
    entity.require_calling_aet = list(listen.known_peers)
    entity.add_supported_context(VERIFICATION)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
    return entity
