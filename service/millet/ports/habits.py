"""What is remembered of senders."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from millet.core.habits import Habit, Observation


class Sender(NamedTuple):
    """Who sends: an application entity of one hospital, by the title that it calls itself."""

    site: str
    calling_ae: str


class Habits(Protocol):
    """The habits of senders, kept for good. Blocks, raises StoreError."""

    def habit(self, sender: Sender) -> Habit:
        """What is known of a sender; a blank one where nothing is."""

    def learn(self, sender: Sender, seen: Observation) -> Habit:
        """Keep what one series showed, in one transaction, and return the habit after it."""
