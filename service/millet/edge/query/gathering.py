"""What comes of one retrieval: counted, handed on, and never a reason to break off by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable

from millet.errors import RefusedInstance, StoreError
from millet.ports import Received, Retrieved, Take

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700


class Gathering:
    """One retrieval. Used by one thread."""

    def __init__(self, into: Take) -> None:
        self._into = into
        self._came: set[str] = set()
        self._refused = 0
        self._failed = 0
        self._why = ""

    def take(self, received: Callable[[], Received]) -> int:
        """Hand one instance on; the DIMSE status that says what became of it."""
        try:
            one = received()
            self._into(one)
        except RefusedInstance as refusal:
            self._refused += 1
            return refusal.status
        except StoreError:
            self._refused += 1
            self.ended("an instance could not be made durable")
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - one bad instance must not end the retrieval
            kind = type(error).__name__  # without its words, which may quote the data set
            logging.getLogger(__name__).error("a retrieved instance failed: %s", kind)  # noqa: TRY400 - likewise
            self._refused += 1
            return PROCESSING_FAILURE
        self._came.add(one.sop_instance_uid)
        return SUCCESS

    def failed(self, count: int) -> None:
        """The archive says that so many instances could not be sent."""
        self._failed += count

    def ended(self, why: str) -> None:
        """It did not run to its end; the first reason is kept."""
        self._why = self._why or why

    def retrieved(self, *, elsewhere: bool = False) -> Retrieved:
        """The sum; of instances that came `elsewhere` nothing is known here."""
        came = None if elsewhere else frozenset(self._came)
        return Retrieved(came, self._refused, self._failed, self._why)
