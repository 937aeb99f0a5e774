"""A few threads that do what they are given, in its order, and that nobody waits for at the end.

Unlike a pool of the standard library: a process may end while one of them still hangs on somebody's answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from millet.errors import Interrupted

Piece = Callable[[], None]
"""One piece of work; does not raise."""


class Hands:
    """So many daemon threads. Thread-safe."""

    def __init__(self, name: str, count: int) -> None:
        self._waiting: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def do(self, piece: Piece) -> None:
        """Have it done once somebody is free; nothing is done after `stop`."""
        self._waiting.put(piece)

    def stop(self) -> None:
        """Begin nothing more; what is in hand goes on."""
        self._stopped.set()
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while self._do_next():
            pass  # in a function of its own: who waits for the next piece does not hold the last one

    def _do_next(self) -> bool:
        piece = self._waiting.get()
        if piece is None or self._stopped.is_set():
            return False
        with suppress(Interrupted):
            piece()
        return True
