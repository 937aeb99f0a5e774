"""A DICOM destination: each object by C-STORE, in its own SOP class and transfer syntax."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from millet.core.peer import Peer
from millet.errors import DeliveryError
from millet.ports import Delivery

VERIFICATION = "1.2.840.10008.1.1"
DUPLICATE_SOP_INSTANCE = 0x0111
"""The destination has the instance already: that is what was wanted (PS3.7 C.4)."""
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and implicit VR little endian; either may stand for the other."""


class StorageScu:
    """A `Destination`: one association for each object. Thread-safe."""

    def __init__(self, peer: Peer, calling_ae: str, timeout_s: float = 30.0) -> None:
        self._peer = peer
        self._calling_ae = calling_ae
        self._timeout_s = timeout_s
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # refusals are told once, by the outbox

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:  # noqa: ARG002 - the object says all itself
        """Send one object; see `ports.Destination`."""
        dataset = dcmread(BytesIO(encoded))
        association = self._associate([_context(dataset)])
        try:
            if not association.accepted_contexts:
                raise DeliveryError("the destination takes no such object", retryable=False)
            _judge(association.send_c_store(dataset).get("Status"))
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"the association failed: {type(error).__name__}", retryable=True) from None
        finally:
            association.release()

    def send_all(self, files: Sequence[Path], sent: Callable[[int], None]) -> None:
        """Send DICOM files over one association; `sent` is told how many went. Raises DeliveryError."""
        association = self._associate(_contexts(files))
        try:
            for number, path in enumerate(files, start=1):
                _judge(association.send_c_store(path).get("Status"))
                sent(number)
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(
                f"the destination does not take {path.name}: {error}", retryable=False
            ) from None
        finally:
            association.release()

    def echo(self) -> None:
        """C-ECHO. Raises DeliveryError."""
        association = self._associate([build_context(VERIFICATION)])
        try:
            _judge(association.send_c_echo().get("Status"))
        finally:
            association.release()

    def _associate(self, contexts: list[PresentationContext]) -> Association:
        entity = AE(ae_title=self._calling_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout_s
        entity.connection_timeout = self._timeout_s
        association = entity.associate(
            self._peer.host,
            self._peer.port,
            contexts=contexts,
            ae_title=self._peer.ae_title,
            evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay)],
        )
        if association.is_rejected:
            raise DeliveryError("the destination rejected the association", retryable=True)
        if not association.is_established and not association.rejected_contexts:
            raise DeliveryError("the destination cannot be reached", retryable=True)
        return association


def _contexts(files: Sequence[Path]) -> list[PresentationContext]:
    """One context for each SOP class and transfer syntax among the files."""
    headers = (dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True) for path in files)
    pairs = {(str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)) for header in headers}
    return [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs)]


def _context(dataset: FileDataset) -> PresentationContext:
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    syntaxes = [syntax, *(other for other in UNCOMPRESSED if syntax in UNCOMPRESSED and other != syntax)]
    return build_context(dataset.SOPClassUID, syntaxes)


def _judge(status: int | None) -> None:
    """Success and warnings (PS3.4 B.2.3) pass; a refusal that another try may heal says so."""
    if status is None:
        raise DeliveryError("the destination did not answer", retryable=True)
    if status in {0x0000, DUPLICATE_SOP_INSTANCE} or status >> 12 == 0xB:
        return
    transient = status >> 8 == 0xA7 or status in {0x0110, 0x0213}
    raise DeliveryError(f"the destination answered 0x{status:04X}", retryable=transient)


def _no_delay(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
