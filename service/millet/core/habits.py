"""How a sender sends, learned from its series: how long it pauses, whether it comes back, what it states.

Theory of operation. The configured waits fit any sender and so fit none. What a sender did in its last
series says more: the longest pause between two instances of a series while its association was open, the
longest time after which it came back for one that it had left. Both are kept as histograms over doubling
times, one count a series, older counts fading, so that a habit is a few dozen numbers whatever was seen.
A wait is a high quantile of what was seen, times a margin:

    settle_s     from the returns                  between the configured settle_s and quiet_s
    quiet_s      from the pauses                   between the configured settle_s and gap_wait_s
    gap_wait_s   from the longer of the two        between the configured quiet_s and gap_wait_s

So the configured waits are floors and ceilings of the learned ones, and until enough was seen they stand
as they are. A wait that became too short shows: what comes late is a return or a pause that is learned,
and lengthens it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from millet.core.assembler import Waits

BINS = 15
FIRST_S = 0.05
"""The first bin ends here, each other one at twice the end of the one before: the last at 14 minutes."""
FADING = 0.99
"""Of all counts, with each series: half is forgotten after 69, what was seen once after 100 (see below)."""
SEEN = 0.37
"""A count that has faded below this was last seen a hundred series ago: it is no habit any more."""
ENOUGH = 20.0
"""Series from which pauses are learned, faded ones counted less."""
ENOUGH_RETURNS = 2.5
"""Series from which returns are learned: three, faded a little."""
QUANTILE = 0.98
MARGIN = 1.5
"""Beside the bin's own width, which rounds up."""
FALSE_COUNTS = 0.1
"""A sender more of whose counts than this did not hold is not believed."""

Histogram = tuple[float, ...]
NONE_SEEN: Histogram = (0.0,) * BINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The longest gaps within one series so far, in seconds; None where there was none."""

    pause_s: float | None = None
    """Between two instances, an association that carries the series being open."""
    return_s: float | None = None
    """From the last instance before all such associations had ended to the next one."""

    def after(self, gap_s: float, *, came_back: bool) -> Rhythm:
        """With one gap more."""
        if came_back:
            return replace(self, return_s=max(gap_s, self.return_s or 0.0))
        return replace(self, pause_s=max(gap_s, self.pause_s or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one series showed of its sender: when it was closed, or when more of it came afterwards."""

    rhythm: Rhythm
    count_held: bool | None = None
    """Whether the count that it stated was the count that came; None where it stated none, or who knows."""
    late: bool = False
    """More came after it was closed: no other series, but one whose gaps were too long to be seen before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What is known of one sender. All numbers are counts of series, faded."""

    series: float = 0.0
    pauses: Histogram = NONE_SEEN
    returns: Histogram = NONE_SEEN
    counts_held: float = 0.0
    counts_failed: float = 0.0

    @property
    def comes_back(self) -> bool:
        """Whether it came back with more of one of its last hundred series."""
        return sum(self.returns) >= SEEN

    @property
    def trusts_counts(self) -> bool:
        """Whether the counts that it states may be believed; so far, where it stated none."""
        stated = self.counts_held + self.counts_failed
        return self.counts_failed < SEEN or self.counts_failed <= FALSE_COUNTS * stated


def learn(habit: Habit, seen: Observation) -> Habit:
    """The habit after one observation more."""
    fading = 1.0 if seen.late else FADING
    return Habit(
        series=habit.series * fading + (not seen.late),
        pauses=_counted(habit.pauses, fading, seen.rhythm.pause_s),
        returns=_counted(habit.returns, fading, seen.rhythm.return_s),
        counts_held=habit.counts_held * fading + (seen.count_held is True),
        counts_failed=habit.counts_failed * fading + (seen.count_held is False),
    )


def waits(habit: Habit, configured: Waits) -> Waits:
    """How long this sender is to be waited for, within the configured waits (see the module)."""
    known = habit.series >= ENOUGH
    back_s = _usual_s(habit.returns) if sum(habit.returns) >= ENOUGH_RETURNS else None
    pause_s = _usual_s(habit.pauses) if known else None
    longest_s = max(pause_s or 0.0, _usual_s(habit.returns) or 0.0) if known else None
    return Waits(
        settle_s=_within(back_s, configured.settle_s, configured.quiet_s, configured.settle_s),
        quiet_s=_within(pause_s, configured.settle_s, configured.gap_wait_s, configured.quiet_s),
        gap_wait_s=_within(longest_s, configured.quiet_s, configured.gap_wait_s, configured.gap_wait_s),
    )


def _within(learned_s: float | None, floor_s: float, ceiling_s: float, configured_s: float) -> float:
    return configured_s if learned_s is None else min(max(MARGIN * learned_s, floor_s), ceiling_s)


def _counted(histogram: Histogram, fading: float, gap_s: float | None) -> Histogram:
    bin_of = None if gap_s is None else next((at for at in range(BINS) if gap_s <= _end_s(at)), BINS - 1)
    return tuple(fading * count + (at == bin_of) for at, count in enumerate(histogram))


def _usual_s(histogram: Histogram) -> float | None:
    """The end of the bin in which the quantile lies; None where nothing was seen."""
    total, below = sum(histogram), 0.0
    for at, count in enumerate(histogram):
        below += count
        if total >= SEEN and below >= QUANTILE * total:
            return _end_s(at)
    return None


def _end_s(at: int) -> float:
    return FIRST_S * 2.0**at
