"""Reports on their way out: each delivery by itself, tried until it is made or given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from millet.core.retry import Patience, next_try_s
from millet.errors import DeliveryError, StoreError
from millet.ports import Clock, Delivery, DeliveryQueue, Destination, ObjectStore

Tell = Callable[[str, Delivery, str], None]
"""Told what became of a try: "delivered", "retried" or "dead", the delivery, and why."""


class Outbox:
    """Works off the delivery queue. One thread calls `step`."""

    def __init__(
        self,
        queue: DeliveryQueue,
        objects: ObjectStore,
        destinations: Mapping[str, Destination],
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._objects = objects
        self._destinations = destinations
        self._patience = patience
        self._clock = clock
        self._since_s = clock.monotonic_s()
        self._stopping = False

    def step(self, chance: Callable[[], float], tell: Tell) -> int:
        """Try everything that is due; how many were delivered.

        Args:
            chance: random numbers, 0 <= chance < 1, for the jitter of the waits.
            tell: told of each try.
        """
        delivered = 0
        for delivery in self._queue.due(self._clock.utc()):
            if self._stopping:
                break
            delivered += self._try(delivery, chance, tell)
        return delivered

    def stop(self) -> None:
        """End a running `step` after the delivery in hand; the rest stays in the queue."""
        self._stopping = True

    def _try(self, delivery: Delivery, chance: Callable[[], float], tell: Tell) -> bool:
        try:
            self._deliver(delivery)
        except DeliveryError as error:
            self._failed(delivery, error, chance(), tell)
            return False
        self._queue.delivered(delivery.delivery_id, self._clock.utc())
        tell("delivered", delivery, "")
        return True

    def _deliver(self, delivery: Delivery) -> None:
        destination = self._destinations.get(delivery.destination)
        if destination is None:
            raise DeliveryError("the destination is configured no longer", retryable=True)
        try:
            encoded = self._objects.read(delivery.path)
        except StoreError as error:
            raise DeliveryError(str(error), retryable=True) from error
        try:
            destination.deliver(delivery, encoded)
        except DeliveryError:
            raise
        except Exception as error:
            raise DeliveryError(f"it failed: {type(error).__name__}", retryable=True) from error

    def _failed(self, delivery: Delivery, error: DeliveryError, chance: float, tell: Tell) -> None:
        now_utc = self._clock.utc()
        age_s = self._age_s(delivery, now_utc)
        wait_s = next_try_s(delivery.attempts + 1, age_s, self._patience, chance) if error.retryable else None
        then = None if wait_s is None else now_utc + timedelta(seconds=wait_s)
        self._queue.failed(delivery.delivery_id, str(error), then)
        tell("dead" if then is None else "retried", delivery, str(error))

    def _age_s(self, delivery: Delivery, now_utc: datetime) -> float:
        """How long a delivery was tried for; what was down together, for whatever time, starts together."""
        if self._clock.monotonic_s() - self._since_s < self._patience.longest_s:
            return 0.0
        return (now_utc - delivery.created_utc).total_seconds()
