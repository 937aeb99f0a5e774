"""Answers on an association that we request are left to the one who waits for them.

pynetdicom has a thread for each association that looks for messages and serves them as requests. A sender
pauses it first, but on a busy machine may take it for paused while it wakes. It then takes the answer, which
nobody gets, and the sender waits until its time is up (pynetdicom 3.0, `Association._run_reactor`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynetdicom.dimse import DIMSEServiceProvider

if TYPE_CHECKING:
    from pynetdicom.association import Association


class Replies(DIMSEServiceProvider):
    """The messages of an association, of which that thread is shown requests alone."""

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - pynetdicom's signature
        """The next message with its context; without waiting only a request of the peer, else None twice."""
        if block:
            return super().get_msg(block=True)
        _, message = self.peek_msg()
        if message is None or not message.is_valid_request:
            return None, None
        return super().get_msg(block=False)


def leave_replies(association: Association) -> None:
    """Have answers wait for their sender. Called when the connection opens, before anything is received."""
    association.dimse = Replies(association)
