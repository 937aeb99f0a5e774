"""A DICOMweb destination: each object by STOW-RS, as the Part 10 file that it is (PS3.18 10.5)."""

from __future__ import annotations

import uuid

from millet.codec import stow_user
from millet.core.refusal import of_stow
from millet.edge.destinations.answers import judge
from millet.edge.destinations.posting import Door, Poster
from millet.ports import Delivery


class StowDestination:
    """A `Destination`; the door's URL is that of the service, without `/studies`. Thread-safe."""

    def __init__(self, door: Door) -> None:
        self._poster = Poster(door)
        self.limit_s = door.limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:  # noqa: ARG002 - the object says all itself
        """Store one object; see `ports.Destination`."""
        content_type, body = stow_user.request(encoded, _boundary(encoded))
        headers = {"Content-Type": content_type, "Accept": stow_user.ACCEPTED}
        answer = self._poster.post("/studies", headers, body)
        reasons = stow_user.reasons(answer.media_type, answer.body)
        said = ", ".join([f"HTTP {answer.status}", *(f"0x{reason:04X}" for reason in reasons)])
        judge(of_stow(answer.status, reasons), said, answer.after_s)


def _boundary(encoded: bytes) -> str:
    while (boundary := uuid.uuid4().hex).encode("ascii") in encoded:
        pass
    return boundary
