"""A DICOM destination: each object by C-STORE, in its own SOP class and transfer syntax.

What is compressed is sent as it is where the destination takes that, else uncompressed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pynetdicom.presentation import PresentationContext, build_context

from millet.codec.native import native
from millet.core.peer import Peer
from millet.core.refusal import of_dimse
from millet.edge.destinations.answers import judge
from millet.edge.destinations.associating import Line, answer
from millet.edge.destinations.limit import Limit
from millet.edge.destinations.tls import Tls
from millet.errors import DeliveryError
from millet.ports import Delivery

VERIFICATION = "1.2.840.10008.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and implicit VR little endian; either may stand for the other."""
SLOWEST_BYTES_S = 125_000
"""Of a line that is still worth waiting for: 1 Mbit/s."""
NO_LIMIT_S = 7 * 86_400.0
"""For a folder that a person sends and watches."""


class StorageScu:
    """A `Destination`: one association for each object. Thread-safe."""

    def __init__(
        self,
        peer: Peer,
        calling_ae: str,
        timeout_s: float = 30.0,
        limit_s: float = 300.0,
        tls: Tls | None = None,
    ) -> None:
        self._line = Line(peer, calling_ae, timeout_s, tls)
        self._timeout_s = timeout_s
        self.limit_s = limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:  # noqa: ARG002 - the object says all itself
        """Send one object; see `ports.Destination`."""
        dataset = dcmread(BytesIO(encoded))
        with (
            Limit(self.limit_s) as limit,
            self._line.association(_own_contexts(dataset), limit) as association,
        ):
            accepted = {str(context.transfer_syntax[0]) for context in association.accepted_contexts}
            if not accepted:
                raise DeliveryError("the destination takes no such object", retryable=False)
            if accepted <= set(UNCOMPRESSED):
                encoded = native(encoded)
                dataset = dcmread(BytesIO(encoded))
            slowest_s = self._timeout_s + len(encoded) / SLOWEST_BYTES_S
            association.dimse_timeout = min(slowest_s, self.limit_s)  # counted while it is still being sent
            _judge(partial(association.send_c_store, dataset), limit)

    def send_all(self, files: Sequence[Path], sent: Callable[[int], None]) -> None:
        """Send DICOM files over one association; `sent` is told how many went. Raises DeliveryError."""
        with Limit(NO_LIMIT_S) as limit, self._line.association(_contexts(files), limit) as association:
            for number, path in enumerate(files, start=1):
                _judge(partial(association.send_c_store, path), limit)
                sent(number)

    def echo(self) -> None:
        """C-ECHO. Raises DeliveryError."""
        with (
            Limit(self.limit_s) as limit,
            self._line.association([build_context(VERIFICATION)], limit) as association,
        ):
            _judge(association.send_c_echo, limit)


def _contexts(files: Sequence[Path]) -> list[PresentationContext]:
    """One context for each SOP class and transfer syntax among the files."""
    headers = (dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True) for path in files)
    pairs = {(str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)) for header in headers}
    return [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs)]


def _own_contexts(dataset: FileDataset) -> list[PresentationContext]:
    """The object's own transfer syntax, and the uncompressed ones that may stand for it."""
    own, sop_class = str(dataset.file_meta.TransferSyntaxUID), dataset.SOPClassUID
    if own in UNCOMPRESSED:
        return [build_context(sop_class, [own, *(other for other in UNCOMPRESSED if other != own)])]
    return [build_context(sop_class, own), build_context(sop_class, list(UNCOMPRESSED))]


def _judge(send: Callable[[], Dataset], limit: Limit) -> None:
    status = answer(send, limit)
    judge(of_dimse(status), f"0x{status:04X}")
