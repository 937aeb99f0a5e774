"""Associations with a DICOM destination: every wait of them is bounded, and they are released in any case."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from millet.core.peer import Peer
from millet.edge.destinations.answers import away, broken
from millet.edge.destinations.limit import Limit
from millet.edge.destinations.tls import Tls
from millet.edge.replies import leave_replies


class Line:
    """The way to a peer, and how we call it. Thread-safe."""

    def __init__(self, peer: Peer, calling_ae: str, timeout_s: float, tls: Tls | None) -> None:
        self.peer = peer
        self._calling_ae = calling_ae
        self._timeout_s = timeout_s
        self._tls = tls
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # refusals are told once, by the outbox

    @contextmanager
    def association(self, contexts: list[PresentationContext], limit: Limit) -> Iterator[Association]:
        """An association, of which none or all contexts may be accepted. Raises DeliveryError."""
        association = self._associate(contexts, limit)
        try:
            yield association
        finally:
            association.release()

    def _associate(self, contexts: list[PresentationContext], limit: Limit) -> Association:
        entity = AE(ae_title=self._calling_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout_s
        entity.connection_timeout = self._timeout_s
        association = entity.associate(
            self.peer.host,
            self.peer.port,
            contexts=contexts,
            ae_title=self.peer.ae_title,
            tls_args=None if self._tls is None else (self._tls(), self.peer.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, self._opened, [limit])],
        )
        if association.is_rejected:
            raise away("rejected the association")
        if not association.is_established and not association.rejected_contexts:
            raise away("cannot be reached")
        return association

    def _opened(self, event: Any, limit: Limit) -> None:
        leave_replies(event.assoc)
        connected = event.assoc.dul.socket.socket
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(self._timeout_s)  # pynetdicom's own sends and receives would wait for ever
        limit.watch(connected)


def answer(send: Callable[[], Dataset], limit: Limit) -> int:
    """Send a request; the status of its answer.

    Without one the connection is cut, since a release would wait. Raises DeliveryError.
    """
    try:
        status = send().get("Status")
    except (RuntimeError, ValueError) as error:
        limit.cut()
        raise broken(f"broke off ({type(error).__name__})") from None
    if status is None:
        limit.cut()
        raise broken("did not answer")
    return int(status)
