"""What was found in each series so far, told to whoever watches; void when the series has ended.

A candidate is named by its place, so that another analyser, or the same one after a restart, means the same
by the same name. What was told and is not found any more, since a late slice changed it, is retracted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from millet.core.nodule import Candidate
from millet.ports import Found, ProvisionalLog


class ProvisionalBoard:
    """The newest of each series; `step` journals what has changed. Thread-safe."""

    def __init__(self, log: ProvisionalLog) -> None:
        self._log = log
        self._now: dict[int, Found] = {}
        self._told: dict[int, frozenset[str]] = {}
        self._lock = threading.Lock()

    def tell(self, series_id: int, found: Iterable[Candidate]) -> None:
        """These are found in a series so far, and nothing else; nothing in one that has ended."""
        named = {name_of(one): one for one in found}
        with self._lock:
            self._now[series_id] = named

    def step(self) -> None:
        """Journal what was found and retracted since the last step."""
        with self._lock:
            changed = dict(self._now)
            before = {series_id: self._told.get(series_id, frozenset()) for series_id in changed}
            self._now = {}
            for series_id, found in changed.items():
                self._told[series_id] = frozenset(found)
                if not found:
                    del self._told[series_id]
        for series_id, found in changed.items():
            new = {name: one for name, one in found.items() if name not in before[series_id]}
            gone = before[series_id] - found.keys()
            if new or gone:
                self._log.provisional_found(series_id, new, sorted(gone))


def name_of(candidate: Candidate) -> str:
    """A name for a candidate, by its place to a tenth of a millimetre."""
    x_mm, y_mm, z_mm = candidate.centre_mm
    return f"{x_mm:.1f},{y_mm:.1f},{z_mm:.1f}"
