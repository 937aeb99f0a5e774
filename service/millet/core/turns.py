"""Whose turn it is on a device that all series share.

Theory of operation. An emergency goes before routine work; whoever has waited `AGEING_S` counts as one
step more urgent, so that nothing starves. Among equals the earlier deadline goes first (somebody is
waiting for a series that is complete, nobody yet for one that still arrives), then the series that had
least of the device so far. What runs together must be alike (same graph, same shape); the rest waits.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

BEHIND, ROUTINE, EMERGENCY = -1, 0, 1
"""Behind is what is looked at again for comparison only."""
AGEING_S = 120.0
NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One window that waits."""

    number: int
    """Of its coming; no two are equal."""
    series: Hashable
    urgency: int
    since_s: float
    due_s: float = NEVER
    alike: Hashable = None
    """What it can run together with has the same."""
    size_bytes: int = 0


def order(waiting: Sequence[Turn], had: Mapping[Hashable, float], now_s: float) -> list[Turn]:
    """Who goes first; `had` is what each series had of the device so far, in any unit."""

    def place(turn: Turn) -> tuple[float, float, float, int]:
        aged = turn.urgency + math.floor(max(now_s - turn.since_s, 0.0) / AGEING_S)
        return -aged, turn.due_s, had.get(turn.series, 0.0), turn.number

    return sorted(waiting, key=place)


def batch(ordered: Sequence[Turn], most: int, most_bytes: int) -> list[Turn]:
    """The first, and those after it that may run with it: at most so many, in so much memory."""
    if not ordered:
        return []
    first, *others = ordered
    taken, held = [first], first.size_bytes
    for turn in others:
        if len(taken) == most:
            break
        if turn.alike == first.alike and held + turn.size_bytes <= most_bytes:
            taken.append(turn)
            held += turn.size_bytes
    return taken


def full(taken: Sequence[Turn], most: int, most_bytes: int, now_s: float, patience_s: float) -> bool:
    """Whether a batch is to run now: it is full, or the first of it has waited long enough for company."""
    size = max((turn.size_bytes for turn in taken), default=0)
    no_room = sum(turn.size_bytes for turn in taken) + size > most_bytes
    waited_s = now_s - min((turn.since_s for turn in taken), default=now_s)
    return len(taken) >= most or no_room or waited_s >= patience_s
