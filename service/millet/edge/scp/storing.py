"""One C-STORE on its way into the reception."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from millet.errors import RefusedInstance, StoreError
from millet.ports import Offer, Reception

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700


class Storing:
    """The first failure is the instance's status; what comes after it is dropped."""

    def __init__(self, reception: Reception, offer: Offer) -> None:
        self._reception = reception
        self.status = SUCCESS
        self.why = ""
        self.size_bytes = 0
        self._attempt(reception.begin, offer)

    def take(self, piece: bytes | memoryview) -> None:
        """Some of its bytes."""
        self.size_bytes += len(piece)
        if self.status == SUCCESS:
            self._attempt(self._reception.write, piece)

    def end(self) -> None:
        """It is all there: durable, unless the status says otherwise."""
        if self.status == SUCCESS:
            self._attempt(self._reception.end)

    def _attempt(self, do: Callable[..., None], *given: Any) -> None:
        try:
            do(*given)
        except RefusedInstance as refusal:
            self._failed(refusal.status, str(refusal))
        except StoreError as failure:
            logging.getLogger(__name__).exception("an instance could not be made durable")
            self._failed(OUT_OF_RESOURCES, str(failure))
        except Exception as error:  # noqa: BLE001 - one bad instance must not end the association
            kind = type(error).__name__  # without its words, which may quote the data set
            logging.getLogger(__name__).error("an instance failed: %s", kind)  # noqa: TRY400 - likewise
            self._failed(PROCESSING_FAILURE, "it failed here; the log says how")

    def _failed(self, status: int, why: str) -> None:
        self.status, self.why = status, why
        self._reception.abandon()
