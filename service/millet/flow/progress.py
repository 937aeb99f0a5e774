"""How far each analysis has come, told to whoever watches a few times a second and no more often."""

from __future__ import annotations

import threading
from typing import NamedTuple

from millet.ports import ProgressLog

ARRIVING = "arriving"
"""The stage of a series whose slices still come."""


class Reached(NamedTuple):
    """A stage, and how many of its windows are done."""

    stage: str
    done: int
    total: int
    """0 where it is not known yet."""


class ProgressBoard:
    """The newest of each series; `step` journals what has changed. Thread-safe."""

    def __init__(self, log: ProgressLog) -> None:
        self._log = log
        self._changed: dict[int, Reached] = {}
        self._told: dict[int, Reached] = {}
        self._lock = threading.Lock()

    def tell(self, series_id: int, reached: Reached) -> None:
        """A series has come so far."""
        with self._lock:
            self._changed[series_id] = reached
            if self._told.get(series_id) == reached:
                del self._changed[series_id]

    def ended(self, series_id: int) -> None:
        """Nothing more will be told of a series."""
        with self._lock:
            self._changed.pop(series_id, None)
            self._told.pop(series_id, None)

    def step(self) -> None:
        """Journal what has changed since the last step."""
        with self._lock:
            changed, self._changed = self._changed, {}
            self._told.update(changed)
        for series_id, reached in changed.items():
            self._log.reached(series_id, *reached)
