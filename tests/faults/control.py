"""A page of memory that a test shares with one process of the service: its clock, and where it dies."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
from pathlib import Path

POINTS = ("sync", "rename", "write", "send", "commit")
"""What a process does that the world outside may see, each a place to die before and after."""
ANY = len(POINTS)
"""Whichever of them comes next."""
_PAGE = struct.Struct("<ddii")
_CLOCK = struct.Struct("<dd")
_DEATH = struct.Struct("<ii")


class Control:
    """The page, from either side. The test writes; the process reads, and counts its way to its end."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(_PAGE.size)
            self._page = mmap.mmap(file.fileno(), _PAGE.size)
        self._counting = threading.Lock()

    @property
    def wall_s(self) -> float:
        """By how much the host's clock is wrong."""
        return float(_CLOCK.unpack_from(self._page)[0])

    @property
    def passed_s(self) -> float:
        """Time that was let pass in one leap, on every clock of the process."""
        return float(_CLOCK.unpack_from(self._page)[1])

    def set_clock(self, wall_s: float, passed_s: float) -> None:
        """Have the process read another time from now on."""
        _CLOCK.pack_into(self._page, 0, wall_s, passed_s)

    def arm(self, point: int, nth: int) -> None:
        """Have it die by SIGKILL when it passes a point (or ANY) for the nth time from now."""
        _DEATH.pack_into(self._page, _CLOCK.size, point, nth)

    def disarm(self) -> None:
        """Let it live."""
        self.arm(0, 0)

    def passes(self, point: int) -> None:
        """Called by the process wherever it passes a point."""
        armed, left = _DEATH.unpack_from(self._page, _CLOCK.size)
        if not left or armed not in {point, ANY}:
            return
        with self._counting:
            armed, left = _DEATH.unpack_from(self._page, _CLOCK.size)
            if left == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if left:
                self.arm(armed, left - 1)
