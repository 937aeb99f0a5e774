from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millet.codec import flat
from millet.core.assembler import Waits
from millet.core.habits import Habit, Observation, Rhythm, learn, waits

CONFIGURED = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)


def seen(pause_s=None, return_s=None, **facts):
    """What one series showed."""
    return Observation(rhythm=Rhythm(pause_s=pause_s, return_s=return_s), **facts)


def habit(*observations, of=None):
    """The habit after so many series."""
    known = of or Habit()
    for one in observations:
        known = learn(known, one)
    return known


def test_a_rhythm_keeps_the_longest_gaps():
    """Pauses and returns apart; none of a kind is none."""
    rhythm = Rhythm()
    for gap_s, came_back in [(0.0, False), (3.0, False), (1.0, False), (7.0, True), (5.0, True)]:
        rhythm = rhythm.after(gap_s, came_back=came_back)
    assert rhythm == Rhythm(pause_s=3.0, return_s=7.0)
    assert Rhythm().after(1.0, came_back=True).pause_s is None


def test_nothing_is_learned_from_a_few_series():
    """Until enough was seen, the configured waits stand."""
    assert waits(Habit(), CONFIGURED) == CONFIGURED
    assert waits(habit(*[seen(0.1)] * 20), CONFIGURED) == CONFIGURED
    assert waits(habit(*[seen(0.1)] * 30), CONFIGURED) != CONFIGURED


def test_a_steady_sender_is_not_waited_for_long():
    """One that never pauses: the shorter configured waits take the place of the longer."""
    found = waits(habit(*[seen(0.2)] * 60), CONFIGURED)
    assert found == Waits(settle_s=2.0, quiet_s=2.0, gap_wait_s=10.0)


def test_a_sender_that_pauses_is_waited_for_beyond_its_pauses():
    """Twelve seconds in the middle of a series are usual for it, and no end."""
    found = waits(habit(*[seen(12.0)] * 60), CONFIGURED)
    assert 12.0 < found.quiet_s <= 3 * 12.0
    assert 12.0 < found.gap_wait_s <= 60.0


def test_one_odd_series_does_not_make_a_habit():
    """A network that hung once for half a minute does not hold up each series after it."""
    steady = habit(*[seen(0.2)] * 80)
    assert waits(habit(seen(30.0), of=steady), CONFIGURED) == waits(steady, CONFIGURED)


def test_a_sender_that_comes_back_is_given_the_time_it_takes():
    """One association for each few slices, four seconds apart: it settles later than configured."""
    found = waits(habit(*[seen(0.1, 4.0)] * 5), CONFIGURED)
    assert 4.0 < found.settle_s <= 10.0
    assert habit(seen(0.1, 4.0)).comes_back
    assert not habit(seen(0.1)).comes_back


def test_what_was_long_ago_is_forgotten():
    """After a hundred series in one piece a sender is one that sends in one piece; no sooner."""
    once = habit(seen(0.1, 4.0, late=True))
    assert habit(*[seen(0.1)] * 90, of=once).comes_back
    assert not habit(*[seen(0.1)] * 110, of=once).comes_back


def test_a_wait_that_became_too_short_lengthens():
    """What comes late teaches: a sender that began to pause is waited for again before long."""
    steady = habit(*[seen(0.2)] * 60)
    late = [seen(25.0, late=True), seen(0.2)] * 4
    assert waits(habit(*late, of=steady), CONFIGURED).quiet_s > 25.0


def test_a_late_slice_is_no_series():
    """It is learned from, but counts as no series more."""
    assert habit(seen(0.1), seen(9.0, late=True)).series == habit(seen(0.1)).series


@pytest.mark.parametrize(
    ("held", "trusted"),
    [([], True), ([True] * 9, True), ([False], False), ([True] * 40 + [False], True),
     ([True, False] * 9, False), ([False] + [True] * 40, True), ([None] * 9, True)],
    ids=["none stated", "held", "failed", "failed once", "failed often", "failed long ago", "unknown"],
)  # fmt: skip
def test_counts_are_believed_as_long_as_they_hold(held, trusted):
    """A count that did not hold costs the sender its belief, until many have held."""
    assert habit(*[seen(0.1, count_held=one) for one in held]).trusts_counts is trusted


def ordered(waits_s):
    """Waits of these lengths."""
    settle_s, quiet_s, gap_wait_s = sorted(waits_s)
    return Waits(settle_s=settle_s, quiet_s=quiet_s, gap_wait_s=gap_wait_s)


GAPS = st.none() | st.floats(0, 5000)
SEEN = st.builds(seen, GAPS, GAPS, count_held=st.none() | st.booleans(), late=st.booleans())
CONFIGURATIONS = st.lists(st.floats(0.1, 900), min_size=3, max_size=3).map(ordered)


@given(st.lists(SEEN, max_size=60), CONFIGURATIONS)
def test_learned_waits_stay_between_the_configured_ones(observations, configured):
    """Whatever was seen: floors and ceilings hold, and no wait is longer than the next longer one."""
    found = waits(habit(*observations), configured)
    assert configured.settle_s <= found.settle_s <= configured.quiet_s
    assert configured.settle_s <= found.quiet_s <= configured.gap_wait_s
    assert configured.quiet_s <= found.gap_wait_s <= configured.gap_wait_s
    assert found.quiet_s <= found.gap_wait_s


@given(st.lists(SEEN, max_size=9))
def test_a_habit_survives_its_document(observations):
    """As it is kept in the journal."""
    known = habit(*observations)
    assert flat.decode(Habit, flat.encode(known)) == known
