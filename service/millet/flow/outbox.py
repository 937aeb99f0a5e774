"""Reports on their way out: one outbox for each destination, so that none waits for another.

Theory of operation. A delivery is taken from the journal under a lease, sent, and then ended, postponed or
given up. An object's own failures make it wait longer each time, until its patience ends. A destination
that is away fails for every object: after a few failures in a row its breaker opens, and then one delivery
every so often finds out whether it is back, while the others wait without a try being counted. Where a
destination is asked to verify, a delivery that was sent comes up again, until the destination says that it
keeps the object; if it says that it does not, the object is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from millet.core import breaker
from millet.core.breaker import Breaker, Position
from millet.core.retry import Patience, next_try_s, wait_s
from millet.errors import DeliveryError, Replaced, StoreError
from millet.ports import Clock, Delivery, DeliveryQueue, Destination, Later, ObjectStore, Verifier

MARGIN_S = 30.0
"""By which a lease is longer than the longest try, for the journal's part of it."""
LONGEST_PROBE_S = 60.0
"""Longest wait between two probes of a destination that is away."""

Tell = Callable[[str, Delivery, str], None]
"""Told what became of a try: "delivered", "sent" (still to be verified), "replaced" (a newer one took its
place), "retried", "away" or "dead"; the delivery, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One destination, and how to go on with it."""

    name: str
    """Under which deliveries are journalled."""
    destination: Destination
    patience: Patience
    verifier: Verifier | None = None
    """Without one, what the destination takes is delivered."""

    @property
    def probes(self) -> Patience:
        """The waits between two probes."""
        first_s, longest_s = self.patience.first_s, min(self.patience.longest_s, LONGEST_PROBE_S)
        return Patience(
            first_s=min(first_s, longest_s), longest_s=longest_s, give_up_s=self.patience.give_up_s
        )


class Outbox:
    """Works off the deliveries of one destination. `step` may be called by several threads."""

    def __init__(
        self,
        route: Route,
        queue: DeliveryQueue,
        objects: ObjectStore,
        clock: Clock,
        holder: str,
        chance: Callable[[], float],
    ) -> None:
        self._route = route
        self._queue = queue
        self._objects = objects
        self._clock = clock
        self._holder = holder
        self._chance = chance
        self._since_s = clock.monotonic_s()
        self._lock = threading.Lock()
        self._breaker = Breaker()
        self._stopping = False

    @property
    def position(self) -> Position:
        """Where the destination's breaker stands."""
        return breaker.position(self._breaker, self._clock.monotonic_s())

    def step(self, tell: Tell) -> int:
        """Try everything that is due, one after the other; how many were delivered. Raises StoreError."""
        delivered = 0
        while not self._stopping and (delivery := self._next()):
            delivered += self._try(delivery, tell)
        return delivered

    def stop(self) -> None:
        """End a running `step` after the delivery in hand; the rest stays in the queue."""
        self._stopping = True

    def _next(self) -> Delivery | None:
        with self._lock:
            entered = breaker.enter(self._breaker, self._clock.monotonic_s())
            if entered is None:
                return None
            self._breaker = entered
        delivery = None
        try:
            lease_s = self._route.destination.limit_s + MARGIN_S
            delivery = self._queue.take(self._route.name, self._holder, lease_s)
        finally:
            if delivery is None:
                self._change(breaker.untried)
        return delivery

    def _try(self, delivery: Delivery, tell: Tell) -> bool:
        if delivery.sent_utc is not None:
            self._change(breaker.untried)  # what verifies says nothing of what takes
            return self._verify(delivery, tell)
        try:
            self._send(delivery)
        except Replaced as newer:
            self._change(breaker.untried)
            self._queue.replaced(delivery)
            tell("replaced", delivery, str(newer))
            return False
        except DeliveryError as error:
            self._failed(delivery, error, tell)
            return False
        self._change(breaker.succeeded)
        return self._sent(delivery, tell)

    def _send(self, delivery: Delivery) -> None:
        try:
            self._route.destination.deliver(delivery, self._objects.read(delivery.path))
        except DeliveryError:
            raise
        except StoreError as error:
            raise DeliveryError(str(error), retryable=True) from error
        except Exception as error:
            raise DeliveryError(f"it failed: {type(error).__name__}", retryable=True) from error

    def _sent(self, delivery: Delivery, tell: Tell) -> bool:
        """What was taken is delivered, or else asked after: at once, for an answer may take its time."""
        if self._route.verifier is None:
            return self._delivered(delivery, tell)
        why = ""
        try:
            if self._asked(delivery, self._route.verifier):
                return self._delivered(delivery, tell)
        except DeliveryError as error:
            why = str(error)
        first_s = wait_s(1, self._route.patience, self._chance())
        self._queue.postpone(delivery, Later(wait_s=first_s, why=why, sent=True))
        tell("sent", delivery, why)
        return False

    def _verify(self, delivery: Delivery, tell: Tell) -> bool:
        """Hear what the destination says of something that it took; it is asked again if it says nothing."""
        verifier = self._route.verifier
        if verifier is None:  # it was asked for when it was sent, and is no longer
            return self._delivered(delivery, tell)
        try:
            kept = verifier.answered(delivery)
            if kept is None:
                kept = self._asked(delivery, verifier)
        except DeliveryError as error:
            self._failed_to_verify(delivery, error, tell)
            return False
        if kept:
            return self._delivered(delivery, tell)
        said = "has not said yet that it keeps it" if kept is None else "took it and does not have it"
        silent = DeliveryError(f"the destination {said}", retryable=True)
        self._again(delivery, silent, tell, resend=kept is False)
        return False

    def _asked(self, delivery: Delivery, verifier: Verifier) -> bool | None:
        try:
            verifier.ask(delivery, self._objects.read(delivery.path))
            return verifier.answered(delivery)
        except DeliveryError:
            raise
        except StoreError as error:
            raise DeliveryError(str(error), retryable=True) from error
        except Exception as error:
            raise DeliveryError(f"asking failed: {type(error).__name__}", retryable=True) from error

    def _failed_to_verify(self, delivery: Delivery, error: DeliveryError, tell: Tell) -> None:
        if error.retryable:
            self._again(delivery, error, tell)
        else:
            self._give_up(delivery, f"it was taken, but: {error}", tell)

    def _delivered(self, delivery: Delivery, tell: Tell) -> bool:
        self._queue.delivered(delivery)
        tell("delivered", delivery, "")
        return True

    def _failed(self, delivery: Delivery, error: DeliveryError, tell: Tell) -> None:
        if not error.retryable:  # it answered, so it is there
            self._change(breaker.succeeded)
            self._give_up(delivery, str(error), tell)
            return
        now_s, chance = self._clock.monotonic_s(), self._chance()
        self._change(lambda state: breaker.failed(state, now_s, self._route.probes, chance))
        self._again(delivery, error, tell)

    def _again(self, delivery: Delivery, error: DeliveryError, tell: Tell, *, resend: bool = False) -> None:
        """Put a delivery back, or give it up where its patience has ended."""
        counted = not error.away
        attempts = delivery.attempts + 1 if counted else 1  # who was away is looked for soon again
        then_s = next_try_s(attempts, self._age_s(delivery), self._route.patience, self._chance())
        if then_s is None:
            self._give_up(delivery, str(error), tell)
            return
        later = Later(
            wait_s=max(then_s, min(error.after_s, self._route.patience.longest_s)),
            why=str(error),
            sent=delivery.sent_utc is not None and not resend,
            counted=counted,
        )
        self._queue.postpone(delivery, later)
        tell("retried" if counted else "away", delivery, str(error))

    def _give_up(self, delivery: Delivery, why: str, tell: Tell) -> None:
        self._queue.give_up(delivery, why)
        tell("dead", delivery, why)

    def _age_s(self, delivery: Delivery) -> float:
        """How long a delivery was tried for; what was down together, for whatever time, starts together."""
        up_s = self._clock.monotonic_s() - self._since_s
        return 0.0 if up_s < self._route.patience.longest_s else delivery.age_s

    def _change(self, change: Callable[[Breaker], Breaker]) -> None:
        with self._lock:
            self._breaker = change(self._breaker)
