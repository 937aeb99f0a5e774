"""Whether a destination has what it took, by looking for it there: C-FIND at image level, or QIDO-RS."""

from __future__ import annotations

import threading

from millet.codec.identifiers import names_of
from millet.errors import ArchiveError, DeliveryError
from millet.ports import Archive, Delivery, SeriesName


class Queries:
    """A `Verifier` that asks anew each time; an answer is told once, to who asked. Thread-safe."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._answers: dict[int, bool] = {}

    def ask(self, delivery: Delivery, encoded: bytes) -> None:
        """Look for one object in its series; see `ports.Verifier`."""
        try:
            names = names_of(encoded)
            there = self._archive.instances(SeriesName(names.study_uid, names.series_uid).checked())
        except ValueError:
            raise DeliveryError("what it is named by cannot be read", retryable=False) from None
        except ArchiveError as error:
            raise DeliveryError(str(error), retryable=True, away=True) from None
        with self._lock:
            self._answers[delivery.delivery_id] = names.sop_instance_uid in there

    def answered(self, delivery: Delivery) -> bool | None:
        """What was found just now; see `ports.Verifier`."""
        with self._lock:
            return self._answers.pop(delivery.delivery_id, None)
