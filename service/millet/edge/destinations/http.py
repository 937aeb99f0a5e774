"""An HTTP destination: each object in a POST of its own, with its media type and an idempotency key."""

from __future__ import annotations

import hashlib

from millet.core.media import media_type
from millet.core.refusal import of_http
from millet.edge.destinations.answers import judge
from millet.edge.destinations.posting import Door, Poster
from millet.ports import Delivery


class HttpDestination:
    """A `Destination`. Thread-safe."""

    def __init__(self, door: Door) -> None:
        self._poster = Poster(door)
        self.limit_s = door.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Post one object; see `ports.Destination`."""
        headers = {"Content-Type": media_type(delivery.kind), "Idempotency-Key": f'"{key_of(delivery)}"'}
        answer = self._poster.post("", headers, [encoded])
        judge(of_http(answer.status), f"HTTP {answer.status}", answer.after_s)


def key_of(delivery: Delivery) -> str:
    """The same for every try of one object, and another for every other object.

    As the header is meant by draft-ietf-httpapi-idempotency-key-header: a server that knows it has the
    object already. It is a hash, so that no identifier stands in anybody's log of headers.
    """
    series = (delivery.site, delivery.series_uid, str(delivery.generation))
    told = "\n".join((*series, delivery.kind, delivery.path))
    return hashlib.sha256(told.encode()).hexdigest()
