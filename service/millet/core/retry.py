"""When to try again: waits that double, with jitter, until a stated end."""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.2
"""Share of a wait that is left to chance, so that many deliveries do not come back at one moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to go on, in seconds."""

    first_s: float
    longest_s: float
    give_up_s: float


def wait_s(attempts: int, patience: Patience, chance: float) -> float:
    """Seconds until the next try.

    Args:
        attempts: tries so far, at least 1.
        patience: the first and the longest wait.
        chance: a random number, 0 <= chance < 1; 0.5 is no jitter.
    """
    doubled = patience.first_s * 2.0 ** min(attempts - 1, 60)
    return min(doubled, patience.longest_s) * (1 + JITTER * (2 * chance - 1))


def next_try_s(attempts: int, age_s: float, patience: Patience, chance: float) -> float | None:
    """Seconds until the next try, or None when work that began `age_s` ago is to be given up."""
    return None if age_s >= patience.give_up_s else wait_s(attempts, patience, chance)
