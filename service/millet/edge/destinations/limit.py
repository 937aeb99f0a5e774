"""An end to every delivery: libraries bound each wait, but not how many of them there may be."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class Limit:
    """A time after which the watched socket is shut down, so that whoever waits for it is told so.

    `with Limit(300) as limit:` and then `limit.watch(connected)`; the newest socket is the one that counts,
    and it is closed in the end: pynetdicom forgets to close what it could not shut down.
    """

    def __init__(self, limit_s: float) -> None:
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self.reached = False
        """Whether it was cut off."""

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._watched is not None:
                self._watched.close()
            self._watched = None

    def watch(self, connected: socket.socket) -> None:
        """Shut this one down when the time is up."""
        with self._lock:
            self._watched = connected
        if self.reached:
            self.cut()

    def cut(self) -> None:
        """Shut it down now. TLS is not ended in order: not a byte may leave in the clear meanwhile."""
        with self._lock:
            if self._watched is not None:
                try:
                    socket.socket.shutdown(self._watched, socket.SHUT_RDWR)
                except OSError:  # it was closed by the other side
                    return

    def _cut(self) -> None:
        self.reached = True
        self.cut()
