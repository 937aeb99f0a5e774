"""When an analysis may be there: an estimate for whoever waits, from how it went so far.

Slices go on coming as they came, windows are looked at as quickly as since somebody watches, and both go on
side by side. What comes after the last window (lungs, measuring, reports) is not in it: a second or two.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How the instances of a series came."""

    received: int
    expected: int | None
    """None where nobody says."""
    took_s: float
    """From the first to the last."""
    is_open: bool
    """Whether more may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How far a stage has come."""

    stage: str
    done: int
    total: int
    at_s: float
    """When it was seen so, on some clock."""


def eta_s(arrival: Arrival, since: Windows, now: Windows) -> float | None:
    """Seconds until the last window is looked at; None where nothing speaks for any.

    Args:
        arrival: how the instances came.
        since: the windows of the same stage as they were first seen.
        now: the windows as they are.
    """
    coming_s = _coming_s(arrival) if arrival.is_open else 0.0
    looking_s = _looking_s(since, now)
    known = [one for one in (coming_s, looking_s) if one is not None]
    if coming_s is None or (looking_s is None and not arrival.is_open):
        return None
    return max(known)


def _coming_s(arrival: Arrival) -> float | None:
    if arrival.expected is None or arrival.received < 2:
        return None
    return (arrival.expected - arrival.received) * arrival.took_s / (arrival.received - 1)


def _looking_s(since: Windows, now: Windows) -> float | None:
    """None where the stage has no windows, or none was looked at since."""
    done, passed_s = now.done - since.done, now.at_s - since.at_s
    if since.stage != now.stage or done <= 0 or passed_s <= 0:
        return None
    return (now.total - now.done) * passed_s / done
