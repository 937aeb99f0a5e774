"""Notifications for systems that read them in a form of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from millet.errors import DeliveryError
from millet.ports import Delivery, Destination


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A `Destination` that is sent another form of what it is to be told."""

    to: Destination
    form: str
    """What the kind begins with then, by which its media type is known."""
    write: Callable[[bytes], bytes]
    """The same for the same bytes; raises ValueError for what has no such form."""

    @property
    def limit_s(self) -> float:
        """See `ports.Destination`."""
        return self.to.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Send one notification; see `ports.Destination`."""
        try:
            written = self.write(encoded)
        except ValueError as error:
            raise DeliveryError(f"it cannot be sent as {self.form}: {error}", retryable=False) from None
        self.to.deliver(replace(delivery, kind=f"{self.form}-{delivery.kind}"), written)
