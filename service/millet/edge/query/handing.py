"""Instances that were retrieved here, handed to a running service by C-STORE, byte for byte.

A program beside the service, such as `millet pull`, so goes through the same door as every sender: what is
acknowledged is durable.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pynetdicom import _config
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from millet.edge.query.association import Caller, association
from millet.edge.query.dimse import SYNTAXES
from millet.errors import ArchiveError, RefusedInstance, StoreError
from millet.ports import Received

SOP_CLASS_NOT_SUPPORTED = 0x0122


class Handing:
    """An intake elsewhere: one association for all that comes until `ended`. Used by one thread."""

    def __init__(self, caller: Caller, classes: Sequence[str]) -> None:
        self._caller = caller
        self._classes = classes
        self._open = ExitStack()
        self._association: Association | None = None
        self._folder = Path()
        _config.STORE_SEND_CHUNKED_DATASET = True  # else each data set is decoded, and encoded anew

    def admit(self, received: Received, _number: int) -> None:
        """Hand one over; durable there when this returns. Raises RefusedInstance or StoreError."""
        if self._association is None:
            self._begin()
        path = self._folder / "instance.dcm"
        path.write_bytes(received.encoded)
        try:
            status: Any = self._association.send_c_store(path) if self._association else None
        except ValueError as error:
            raise RefusedInstance(SOP_CLASS_NOT_SUPPORTED, "no context for this kind of instance") from error
        except RuntimeError as error:
            raise StoreError("the service ended the association") from error
        if status is None or "Status" not in status:
            raise StoreError("the service does not answer")
        if status.Status:
            raise RefusedInstance(int(status.Status), f"the service answered 0x{int(status.Status):04X}")

    def ended(self, _number: int) -> None:
        """Release the association; the service may take the series for complete."""
        self._association = None
        self._open.close()

    def _begin(self) -> None:
        contexts = [build_context(one, syntax) for one in self._classes for syntax in SYNTAXES]
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        try:
            self._association = self._open.enter_context(association(self._caller, contexts))
        except ArchiveError as error:
            raise StoreError(f"the service: {error}") from error
