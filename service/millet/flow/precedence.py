"""Who stands aside: between two steps, routine work waits while an emergency is being finished.

The device's queue sees to windows (`flow.batcher`); this is for the rest, which runs on the same cores.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TICK_S = 0.1


class Precedence:
    """Counts the work in hand by its urgency. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_hand: Counter[int] = Counter()

    @contextmanager
    def work(self, urgency: int) -> Iterator[None]:
        """One piece of work."""
        with self._changed:
            self._in_hand[urgency] += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_hand[urgency] -= 1
                self._changed.notify_all()

    def give_way(self, urgency: int, check: Callable[[], None] = lambda: None) -> None:
        """Return when nothing more urgent is in hand; `check` may end the wait by raising."""
        check()
        with self._changed:
            while any(count for other, count in self._in_hand.items() if other > urgency):
                self._changed.wait(_TICK_S)
                check()
