"""When a series is complete: judged from its geometry, with silence only as the fallback.

Theory of operation. DICOM storage has no "end of series". Waiting for silence is slow when the series is
long since whole, and wrong when the network only paused. So several things are asked together: does the
geometry have holes, do its tags or an archive say how many there are, and may more come? The first that
holds decides:

    nothing came for `gap_wait_s`                    closed, whole or not               QUIET, GAP_TIMEOUT
    an archive holds exactly these                   closed at once                     ARCHIVE
    an archive holds more, or a count is short       waited for
    holes, or no stack at all                        waited for
    stack without holes, a stated count reached      closed at once                     COUNT
    the same, its associations released              closed `settle_s` later            GEOMETRY
    the same, in one piece by one association        closed at once                     GEOMETRY
    the same, an association still open              closed after `quiet_s` of silence  QUIET

The settling time is there because many senders open an association for each instance, or for each so
many: a prefix of a series has no holes either. A sender whose one association carried a whole stack is
not waited for, until it once has come back with more. Slices at one place are no step: a few are resends;
where some places are held twice and others not yet, a second pass over them is under way. A multi-frame
object is a stack in itself, and so is a report; parts of a concatenation belong together
(PS3.3 C.7.6.16.2.2.4).

A count that is wrong and an archive that lags behind never hold a series beyond `gap_wait_s`, and what is
closed too early is no error: a slice that comes after closing opens the series' next generation. Nothing
here waits or reads a clock; the caller asks again at each tick, after each release and after each
instance, and the answer for given values is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from millet.core.geometry import Floats
from millet.core.series import SliceHeader
from millet.core.split import FEWEST_OF_A_PASS, split
from millet.core.stack import HOLE, TOUCHING_MM, steps_mm
from millet.core.stated import Stated, stated, states_any

FEWEST_FOR_A_STACK = 3
"""Two slices have one step, and one step is neither regular nor irregular."""
MULTI_FRAME = frozenset(("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"))
"""Enhanced CT and Legacy Converted Enhanced CT Image Storage."""


REPORTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{kind}" for kind in ("22", "33", "34"))
"""Enhanced, Comprehensive and Comprehensive 3D SR, which hold TID 1500."""


class ClosedBy(StrEnum):
    """Why a series was taken for complete."""

    GEOMETRY = "geometry"
    COUNT = "count"
    ARCHIVE = "archive"
    QUIET = "quiet"
    GAP_TIMEOUT = "gap-timeout"
    FORCED = "forced"
    """By a caller who knows that nothing more will come: a folder, an operator."""


class ArchiveSays(StrEnum):
    """What the archive that was asked holds of a series, against what came."""

    NOTHING = "nothing"
    """It was not asked, did not answer, or holds less: it may be receiving as well."""
    ALL = "all"
    MORE = "more"


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
    trusts_counts: bool = True
    """Whether the counts that its sender states have held so far."""
    archive: ArchiveSays = ArchiveSays.NOTHING


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
        return ClosedBy.QUIET if looks_whole(arrival) else ClosedBy.GAP_TIMEOUT
    if arrival.archive is not ArchiveSays.NOTHING:
        return ClosedBy.ARCHIVE if arrival.archive is ArchiveSays.ALL else None
    count = says_count(arrival)
    settled = _settled(arrival, now_s, waits)
    due = settled or count is Stated.REACHED or silent_s >= waits.quiet_s
    if not due or count is Stated.SHORT or not looks_whole(arrival):
        return None
    if count is Stated.REACHED:
        return ClosedBy.COUNT
    return ClosedBy.GEOMETRY if settled else ClosedBy.QUIET


def looks_whole(arrival: Arrival) -> bool:
    """As `whole`, remembered."""
    return _whole(arrival.headers)


def says_count(arrival: Arrival) -> Stated:
    """What its tags say, if they are believed; asked at each tick, so who states nothing costs nothing."""
    if not (arrival.trusts_counts and arrival.headers and states_any(arrival.headers[-1])):
        return Stated.NOTHING
    return _stated(arrival.headers)


def whole(headers: Sequence[SliceHeader]) -> bool:
    """Whether there is a stack, and nothing is seen to be missing from any stack of the series."""
    frames = [header for header in headers if header.sop_class_uid in MULTI_FRAME]
    stacks = [s for s in split(headers) if len(s.slices) >= FEWEST_FOR_A_STACK]
    if not (frames or stacks):
        return bool(headers) and all(header.sop_class_uid in REPORTS for header in headers)
    return _joined(frames) and not any(_lacks(steps_mm(stack)) for stack in stacks)


def planes(headers: Sequence[SliceHeader]) -> int:
    """How many images there are: a multi-frame object holds many."""
    return sum(header.frames for header in headers)


_whole = lru_cache(maxsize=16)(whole)
"""Asked at each tick while a series with a hole is waited for; 2000 slices take 0.1 s, known ones 2 ms."""
_stated = lru_cache(maxsize=16)(stated)


def _joined(frames: Sequence[SliceHeader]) -> bool:
    """Whether of each concatenation as many parts came as it says that it has."""
    came: dict[str, set[str]] = {}
    parts: dict[str, int] = {}
    for header in frames:
        came.setdefault(header.concatenation_uid, set()).add(header.sop_instance_uid)
        parts[header.concatenation_uid] = header.concatenation_parts or 0
    return all(len(came[uid]) >= parts[uid] for uid in came if uid)


def _lacks(steps: Floats) -> bool:
    """Whether steps show a hole, or places held twice beside others that are not yet."""
    apart = steps[steps > TOUCHING_MM]
    if not len(apart):
        return False
    repeated = len(steps) - len(apart)
    return bool(repeated >= FEWEST_OF_A_PASS or apart.max() > HOLE * np.median(apart))


def _settled(arrival: Arrival, now_s: float, waits: Waits) -> bool:
    """Whether every association that carried the series ended, and none came back for it."""
    if arrival.open_associations or arrival.released_s is None:
        return False
    settle_s = waits.settle_s if arrival.may_return else 0.0
    return now_s - max(arrival.released_s, arrival.last_instance_s) >= settle_s
