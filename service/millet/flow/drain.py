"""The way out of long work: let what is in hand end, take nothing new, cut off what takes too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from millet.errors import Interrupted


class Drain:
    """Counts work in hand. Work asks `check` between its steps."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_hand = 0
        self._closed = False
        self._cut = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """One piece of work. Raises Interrupted when nothing new is taken."""
        with self._changed:
            if self._closed:
                raise Interrupted
            self._in_hand += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise Interrupted once the work is cut off."""
        if self._cut:
            raise Interrupted

    def stop(self, within_s: float, cut_within_s: float = 5.0) -> bool:
        """Take nothing new and wait; False when work had to be cut off.

        Args:
            within_s: how long work in hand may go on by itself.
            cut_within_s: how long it may take to notice that it is cut off.
        """
        with self._changed:
            self._closed = True
            if self._changed.wait_for(lambda: not self._in_hand, within_s):
                return True
            self._cut = True
            self._changed.wait_for(lambda: not self._in_hand, cut_within_s)
            return False
