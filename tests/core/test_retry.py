from __future__ import annotations

import pytest

from millet.core.retry import JITTER, Patience, next_try_s, wait_s

PATIENCE = Patience(first_s=5, longest_s=3600, give_up_s=86400)


@pytest.mark.parametrize(
    ("attempts", "expected_s"),
    [
        (1, 5),  # the first wait
        (2, 10),  # doubled
        (4, 40),
        (10, 2560),
        (11, 3600),  # never longer than the longest
        (100_000, 3600),  # and no overflow after days
    ],
)
def test_waits_double_up_to_the_longest(attempts, expected_s):
    """Without jitter a wait is first * 2^(attempts - 1), cut at the longest."""
    assert wait_s(attempts, PATIENCE, chance=0.5) == expected_s


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_jitter_spreads_both_ways(chance, factor):
    """The jitter shortens or lengthens a wait by its share at most."""
    assert wait_s(1, PATIENCE, chance) == pytest.approx(5 * factor)


def test_it_ends_at_the_stated_age():
    """Young work is tried again, old work is given up."""
    assert next_try_s(3, 86399, PATIENCE, 0.5) == 20
    assert next_try_s(3, 86400, PATIENCE, 0.5) is None
