"""Whether a destination says that it keeps what it was sent."""

from __future__ import annotations

from typing import Protocol

from millet.ports.work import Delivery


class Verifier(Protocol):
    """Asks a destination whether it keeps a delivered object: Storage Commitment, or a query. Thread-safe.

    What was asked and what came back is durable before either method returns, so another process may ask
    than the one that hears the answer, and a restart forgets neither.
    """

    def ask(self, delivery: Delivery, encoded: bytes) -> None:
        """Ask about one object, a DICOM file; the answer may be there when this returns, or hours later.

        Asking twice is harmless; the newest answer counts, and "kept" is never taken back by a later silence.
        Blocks for seconds; raises DeliveryError when the destination cannot be asked (retryable), or never
        answers such questions (not retryable).
        """

    def answered(self, delivery: Delivery) -> bool | None:
        """True: kept. False: the destination says it is not. None: no answer yet, or never asked.

        Blocks for a look into the journal only; raises StoreError.
        """
