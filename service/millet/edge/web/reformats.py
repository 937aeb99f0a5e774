"""Reformats that are being looked at: made once, when somebody asks, and kept for a while in bounded memory.

One is made at a time, in one thread, so that reformats take neither the threads that answer others nor more
than a core from the analysis. Who asks for the same meanwhile waits for it; for who has left none is made.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 192 * 2**20
"""Of all that are kept: two of the largest, or five of 400 slices of 512 columns."""
KEPT_S = 600.0
"""Since somebody last looked at one."""

Grey = NDArray[np.uint8]


class Reformats:
    """Those that were asked for last. Used from one event loop."""

    def __init__(self, most_bytes: int = MOST_BYTES, kept_s: float = KEPT_S) -> None:
        self._most_bytes = most_bytes
        self._kept_s = kept_s
        self._kept: OrderedDict[Hashable, tuple[Grey, asyncio.TimerHandle]] = OrderedDict()
        self._making = asyncio.Lock()

    @property
    def held_bytes(self) -> int:
        """Memory of what is kept."""
        return sum(planes.nbytes for planes, _ in self._kept.values())

    async def get(
        self, name: Hashable, make: Callable[[], Grey | None], has_left: Callable[[], Awaitable[bool]]
    ) -> Grey | None:
        """One by its name.

        Args:
            name: what tells it from all others.
            make: makes it in a thread, if nobody did; None where there is none. Its errors are the caller's.
            has_left: whether the one who asked is gone, for whom nothing is made any more.
        """
        if (known := self._known(name)) is not None:
            return known
        async with self._making:
            if (known := self._known(name)) is not None:
                return known
            made = None if await has_left() else await asyncio.to_thread(make)
            if made is not None:
                self._keep(name, made)
            return made

    def _known(self, name: Hashable) -> Grey | None:
        if name not in self._kept:
            return None
        planes = self._drop(name)
        self._keep(name, planes)
        return planes

    def _keep(self, name: Hashable, planes: Grey) -> None:
        timer = asyncio.get_running_loop().call_later(self._kept_s, self._drop, name)
        self._kept[name] = planes, timer
        while len(self._kept) > 1 and self.held_bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: Hashable) -> Grey:
        planes, timer = self._kept.pop(name)
        timer.cancel()
        return planes
