"""To whom a newer message replaces an older one, the older one is not sent any more.

A message whose try failed comes again later than the one after it, and would undo what that one said: a level
that was raised would stand again after it was withdrawn. So would one that an operator replays.
"""

from __future__ import annotations

from dataclasses import dataclass

from millet.codec import notice
from millet.core.notification import reference
from millet.errors import Replaced
from millet.ports import Delivery, DeliveryQueue, Destination


@dataclass(frozen=True, slots=True)
class Newest:
    """A `Destination` that is sent the newest about each study or series, and nothing older."""

    to: Destination
    queue: DeliveryQueue

    @property
    def limit_s(self) -> float:
        """See `ports.Destination`."""
        return self.to.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Send what is new of it; see `ports.Destination`. Raises Replaced and StoreError, too."""
        topics = self.queue.topics(delivery)
        new = [one for one in topics if not one.is_replaced]
        if topics and not new:
            raise Replaced
        if len(new) < len(topics):
            encoded = notice.only(encoded, {reference(one.site, one.uid) for one in new})
        self.to.deliver(delivery, encoded)
