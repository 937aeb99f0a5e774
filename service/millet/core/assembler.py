"""When a series is complete: judged from its geometry, with silence only as the fallback.

Theory of operation. DICOM storage has no "end of series", and a CT header does not say how many slices
there are. Waiting for silence is slow when the series is long since whole, and wrong when the network
only paused. So two things are asked together: does the geometry have holes, and may more come?

    stack without holes, its associations released   closed `settle_s` later            GEOMETRY
    the same, in one piece by one association        closed at once                     GEOMETRY
    stack without holes, an association still open   closed after `quiet_s` of silence  QUIET
    holes, or no stack at all                        closed after `gap_wait_s`          GAP_TIMEOUT

The settling time is there because many senders open an association for each instance, or for each so
many: a prefix of a series has no holes either. A sender whose one association carried a whole stack is
not waited for, until it once has come back with more. A slice that comes after closing is no error: it
opens the series' next generation. Nothing here waits or reads a clock; the caller asks again at each tick,
after each release and after each instance, and the answer for given values is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from millet.core.geometry import Floats
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import HOLE, steps_mm

FEWEST_FOR_A_STACK = 3
"""Two slices have one step, and one step is neither regular nor irregular."""


class ClosedBy(StrEnum):
    """Why a series was taken for complete."""

    GEOMETRY = "geometry"
    QUIET = "quiet"
    GAP_TIMEOUT = "gap-timeout"
    FORCED = "forced"
    """By a caller who knows that nothing more will come: a folder, an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What has arrived of one open series."""

    headers: tuple[SliceHeader, ...]
    last_instance_s: float
    open_associations: int
    """Associations still open that carried an instance of this series."""
    released_s: float | None
    """When the last such association ended; None while none has."""
    may_return: bool = True
    """Whether its sender is one that comes back with more; False for a series that came in one piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The three patiences, in seconds (see the module)."""

    settle_s: float
    quiet_s: float
    gap_wait_s: float


def closed(arrival: Arrival, now_s: float, waits: Waits) -> ClosedBy | None:
    """Say by what an open series is complete at `now_s`, or None while it is to be waited for."""
    silent_s = now_s - arrival.last_instance_s
    if silent_s >= waits.gap_wait_s:
        return ClosedBy.QUIET if _whole(arrival.headers) else ClosedBy.GAP_TIMEOUT
    if not (_settled(arrival, now_s, waits) or silent_s >= waits.quiet_s) or not _whole(arrival.headers):
        return None
    return ClosedBy.GEOMETRY if _settled(arrival, now_s, waits) else ClosedBy.QUIET


def whole(headers: Sequence[SliceHeader]) -> bool:
    """Whether there is a stack, and no stack of the series has a hole between its slices."""
    stacks = [s for s in split(headers) if len(s.slices) >= FEWEST_FOR_A_STACK]
    return bool(stacks) and not any(_has_hole(steps_mm(stack)) for stack in stacks)


_whole = lru_cache(maxsize=16)(whole)
"""Asked at each tick while a series with a hole is waited for; 2000 slices take 0.1 s, known ones 2 ms."""


def _has_hole(steps: Floats) -> bool:
    return bool(steps.max() > HOLE * np.median(steps))


def _settled(arrival: Arrival, now_s: float, waits: Waits) -> bool:
    """Whether every association that carried the series ended, and none came back for it."""
    if arrival.open_associations or arrival.released_s is None:
        return False
    settle_s = waits.settle_s if arrival.may_return else 0.0
    return now_s - max(arrival.released_s, arrival.last_instance_s) >= settle_s
