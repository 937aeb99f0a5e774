"""A PACS that keeps what it is sent, and can be down, busy, deaf or forgetful of its answers."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.sop_class import (
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SegmentationStorage,
    Verification,
)

TAKEN = [ComprehensiveSRStorage, EnhancedSRStorage, SegmentationStorage]
TAKEN += [
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR Storage
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State Storage
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation Storage
    "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Color Secondary Capture Image Storage
    "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection Document Storage
]
GOOD, BUSY, BROKEN, FORGETFUL, SLOW = "good", "busy", "broken", "forgetful", "slow"
MANNERS = (BUSY, BROKEN, FORGETFUL, SLOW)
"""Answers 0xA700; answers 0x0110; keeps it and aborts before it answers; answers after seconds."""
STATUSES = {BUSY: 0xA700, BROKEN: 0x0110}
SLOW_S = 1.5


class Kept(NamedTuple):
    """One object, as it came in one C-STORE."""

    sop_instance_uid: str
    digest: str
    """As `content_digest` has it."""


def content_digest(dataset: Dataset) -> str:
    """SHA-256 of what a data set holds, however it was encoded: senders may encode anew."""
    whole = hashlib.sha256()
    _hold(dataset, whole.update)
    return whole.hexdigest()


def _hold(dataset: Dataset, update: Callable[[bytes], None]) -> None:
    for element in dataset:
        update(f"{element.tag}=".encode())
        if element.VR == "SQ":
            for item in element.value:
                update(b"[")
                _hold(item, update)
        else:
            update(element.value if isinstance(element.value, bytes) else repr(element.value).encode())


class Pacs:
    """A Storage SCP in this process."""

    def __init__(self) -> None:
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
        self.manner = GOOD
        self._kept: list[Kept] = []
        self._lock = threading.Lock()
        entity = AE(ae_title="PACS")
        entity.maximum_associations = 50
        entity.network_timeout = 60
        entity.add_supported_context(Verification)
        for uid in TAKEN:
            entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
        self._server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._stored)]
        )
        self.port = int(self._server.server_address[1])

    @property
    def kept(self) -> list[Kept]:
        """Everything that was kept, in its order; what came twice is there twice."""
        with self._lock:
            return list(self._kept)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        for association in self._server.active_associations:
            association.abort(block=False)

    def _stored(self, event: Any) -> int:
        manner = self.manner
        if status := STATUSES.get(manner):
            return status
        if manner == SLOW:
            time.sleep(SLOW_S)
        uid = str(event.request.AffectedSOPInstanceUID)
        digest = content_digest(event.dataset)
        with self._lock:
            self._kept.append(Kept(uid, digest))
        if manner == FORGETFUL:
            event.assoc.abort(block=False)
        return 0x0000
