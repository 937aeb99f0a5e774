"""The habits of senders at hand: read once, learned from as series end, and never in anybody's way."""

from __future__ import annotations

from millet.core import habits
from millet.core.assembler import Waits
from millet.core.habits import Habit, Observation
from millet.errors import StoreError
from millet.ports import Habits, Sender


class Senders:
    """How long each sender is waited for. One thread calls it; it blocks as the store of habits does."""

    def __init__(self, configured: Waits, kept: Habits | None = None) -> None:
        self._configured = configured
        self._kept = kept
        self._known: dict[Sender, Habit] = {}

    def habit(self, sender: Sender) -> Habit:
        """What is known of a sender; while the store is away, a blank habit, and it is asked again."""
        if sender not in self._known and self._kept is not None:
            try:
                self._known[sender] = self._kept.habit(sender)
            except StoreError:
                return Habit()
        return self._known.get(sender, Habit())

    def waits(self, sender: Sender) -> Waits:
        """How long to wait for it."""
        return habits.waits(self.habit(sender), self._configured)

    def learn(self, sender: Sender, seen: Observation) -> None:
        """Remember what a series showed; one observation that cannot be kept is one fewer, no failure."""
        try:
            learned = self._kept.learn(sender, seen) if self._kept else habits.learn(self.habit(sender), seen)
        except StoreError:
            return
        self._known[sender] = learned
