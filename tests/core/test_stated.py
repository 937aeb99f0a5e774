from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instances import header

from millet.core.stated import Stated, stated, states_any

NOTHING, SHORT, REACHED = Stated


def came(count, first=1, **facts):
    """So many slices with these tags."""
    return [replace(header(first + n), **facts) for n in range(count)]


CASES = [
    (came(30), NOTHING),
    ([], NOTHING),
    (came(30, stated_instances=30), REACHED),
    (came(29, stated_instances=30), SHORT),
    (came(31, stated_instances=30), NOTHING),
    (came(30, stated_slices=30), REACHED),
    (came(20, stated_slices=30), SHORT),
    (came(30, stated_in_acquisition=30), REACHED),
    (came(20, stated_in_acquisition=30), SHORT),
    (came(30, stated_instances=0), NOTHING),
    (came(30, stated_instances=-3), NOTHING),
    (came(4, stated_in_acquisition=4), NOTHING),
    (came(3, stated_in_acquisition=4), NOTHING),
    (came(15, stated_instances=30) + came(15, 16, stated_instances=60), NOTHING),
    (came(29, stated_instances=30) + came(1, 30), REACHED),
    (came(30, stated_instances=30, stated_slices=40), NOTHING),
    (came(30, stated_instances=30, stated_slices=15), REACHED),
    (
        came(25, stated_in_acquisition=25) + came(25, 26, stated_in_acquisition=25, acquisition_number=2),
        NOTHING,
    ),
    (
        came(25, stated_in_acquisition=25) + came(24, 26, stated_in_acquisition=25, acquisition_number=2),
        SHORT,
    ),
]
IDS = """
none, no instances, instances reached, instances short, instances passed, slices reached, slices short,
acquisition reached, acquisition short, nought, negative, a step of a sequence, within a step, changing,
one that does not say, two that disagree, one that was passed, two acquisitions, the second is short
"""


@pytest.mark.parametrize(("headers", "says"), CASES, ids=[one.strip() for one in IDS.split(",")])
def test_the_table(headers, says):
    """What each tag says of what came, and when it says nothing."""
    assert stated(headers) is says
    assert not (says is not NOTHING and not any(map(states_any, headers)))


@given(st.integers(1, 60), st.integers(-2, 80), st.randoms())
def test_the_order_of_arrival_does_not_matter(number, count, random):
    """The same slices say the same; nothing is short that is there, nor reached that is not."""
    headers = came(number, stated_instances=count)
    says = stated(headers)
    random.shuffle(headers)
    assert stated(headers) is says
    assert says is not SHORT or number < count
    assert says is not REACHED or number == count
