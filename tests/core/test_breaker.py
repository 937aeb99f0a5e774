from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millet.core.breaker import FAILURES, Breaker, Position, enter, failed, position, succeeded, untried
from millet.core.retry import Patience

PROBES = Patience(first_s=5, longest_s=60, give_up_s=0)


def after(failures, now_s=100.0):
    """A breaker after so many failures in a row, each with its try, as soon as one is allowed."""
    breaker = Breaker()
    for _ in range(failures):
        now_s = max(now_s, breaker.until_s)
        breaker = failed(enter(breaker, now_s), now_s, PROBES, 0.5)
    return breaker, now_s


def test_a_few_failures_leave_it_closed():
    """Less than the stated number in a row changes nothing, and a success forgets them."""
    breaker, now_s = after(FAILURES - 1)
    assert position(breaker, now_s) is Position.CLOSED
    breaker = failed(succeeded(breaker), now_s, PROBES, 0.5)
    assert position(breaker, now_s) is Position.CLOSED


def test_while_it_is_open_nothing_is_tried():
    """Until the first wait is over."""
    breaker, now_s = after(FAILURES)
    assert position(breaker, now_s) is Position.OPEN
    assert enter(breaker, now_s + 4.9) is None
    assert position(breaker, now_s + 5.0) is Position.HALF_OPEN


def test_one_probe_at_a_time():
    """Half open, one try is let through, and the next only when that one has ended."""
    breaker, now_s = after(FAILURES)
    probing = enter(breaker, now_s + 5)
    assert probing is not None
    assert enter(probing, now_s + 500) is None
    assert enter(untried(probing), now_s + 5) == probing


@pytest.mark.parametrize(("probes", "wait_s"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (40, 60)])
def test_each_failed_probe_waits_longer_up_to_a_limit(probes, wait_s):
    """Waits double until they are as long as is said."""
    breaker, now_s = after(FAILURES + probes)
    assert breaker.until_s - now_s == pytest.approx(wait_s)


def test_a_probe_that_succeeds_closes_it():
    """Everything is tried again at once."""
    breaker, now_s = after(FAILURES + 4)
    closed = succeeded(enter(breaker, now_s + 60))
    assert position(closed, now_s + 60) is Position.CLOSED
    assert enter(closed, now_s + 60) == closed


def test_a_failure_of_before_it_opened_does_not_lengthen_the_wait():
    """Of several tries at one time all fail: the wait is that of the first that opened it."""
    breaker, now_s = after(FAILURES)
    assert failed(breaker, now_s + 3, PROBES, 0.5) == breaker


@given(st.lists(st.floats(0, 30), max_size=60), st.floats(0, 0.999))
def test_tries_of_a_peer_that_is_away_are_rare(steps, chance):
    """However often it is asked, a destination that fails is tried at most once in each wait."""
    breaker, now_s, tries = Breaker(), 0.0, []
    for step_s in steps:
        now_s += step_s
        if (entered := enter(breaker, now_s)) is not None:
            tries.append(now_s)
            breaker = failed(entered, now_s, PROBES, chance)
    waits = [b - a for a, b in zip(tries[FAILURES - 1 :], tries[FAILURES:], strict=False)]
    assert all(wait_s >= PROBES.first_s * 0.8 for wait_s in waits)
