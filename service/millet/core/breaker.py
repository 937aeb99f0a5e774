"""A circuit breaker: a destination that is down costs one probe every so often, and nothing else.

Closed, everything is tried. After so many failures in a row it opens: nothing is tried until a moment that
moves away with each failure. Then it is half open: one try, the probe, decides whether it closes or opens
again for longer. (M. Nygard, Release It!, "Circuit Breaker".)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from millet.core.retry import Patience, wait_s

FAILURES = 3
"""Failures in a row that open it: one may be an object's own fault, two a coincidence."""


class Position(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one; times are monotonic seconds."""

    failures: int = 0
    """In a row."""
    until_s: float = 0.0
    """While open, nothing is tried before."""
    probing: bool = False
    """A probe is under way."""

    @property
    def is_open(self) -> bool:
        """Whether a probe must succeed before everything is tried again."""
        return self.failures >= FAILURES


def position(breaker: Breaker, now_s: float) -> Position:
    """Where it stands at a moment."""
    if not breaker.is_open:
        return Position.CLOSED
    return Position.HALF_OPEN if breaker.probing or now_s >= breaker.until_s else Position.OPEN


def enter(breaker: Breaker, now_s: float) -> Breaker | None:
    """Ask for a try: the breaker while it is under way, or None where nothing may be tried now."""
    if not breaker.is_open:
        return breaker
    if breaker.probing or now_s < breaker.until_s:
        return None
    return replace(breaker, probing=True)


def untried(breaker: Breaker) -> Breaker:
    """The try that was asked for did not take place, or says nothing of the destination."""
    return replace(breaker, probing=False)


def succeeded(_breaker: Breaker) -> Breaker:
    """The destination did its part: closed."""
    return Breaker()


def failed(breaker: Breaker, now_s: float, patience: Patience, chance: float) -> Breaker:
    """The destination did not do its part.

    Args:
        breaker: as it was during the try.
        now_s: when the try ended.
        patience: the first and the longest wait between two probes.
        chance: a random number, 0 <= chance < 1; 0.5 is no jitter.
    """
    if breaker.is_open and not breaker.probing:
        return breaker  # a try of before it opened: it says nothing new
    failures = breaker.failures + 1
    if failures < FAILURES:
        return Breaker(failures=failures)
    return Breaker(failures=failures, until_s=now_s + wait_s(failures - FAILURES + 1, patience, chance))
