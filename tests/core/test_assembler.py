from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instances import header

from millet.core.assembler import Arrival, ClosedBy, Waits, closed, whole
from millet.core.geometry import PointMm

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)
WHOLE = tuple(header(n) for n in range(1, 9))
HOLED = tuple(h for h in WHOLE if h.instance_number != 4)


CASES = [
    pytest.param(WHOLE, 0, 100.0, 101.9, None, id="whole, released, not settled"),
    pytest.param(WHOLE, 0, 100.0, 102.0, ClosedBy.GEOMETRY, id="whole, released, settled"),
    pytest.param(WHOLE, 1, 100.0, 105.0, None, id="whole, another association open"),
    pytest.param(WHOLE, 1, None, 109.9, None, id="whole, open, not silent"),
    pytest.param(WHOLE, 1, None, 110.0, ClosedBy.QUIET, id="whole, open, silent"),
    pytest.param(HOLED, 0, 100.0, 110.0, None, id="holed, released"),
    pytest.param(HOLED, 0, 100.0, 159.9, None, id="holed, waited for"),
    pytest.param(HOLED, 0, 100.0, 160.0, ClosedBy.GAP_TIMEOUT, id="holed, given up"),
    pytest.param((), 0, 100.0, 160.0, ClosedBy.GAP_TIMEOUT, id="nothing readable"),
    pytest.param(WHOLE[:1], 0, 100.0, 110.0, None, id="a single slice"),
]


@pytest.mark.parametrize(("headers", "associations", "released_s", "now_s", "by"), CASES)
def test_the_table(headers, associations, released_s, now_s, by) -> None:
    """Geometry, associations and silence decide together; the last instance came at 100 s."""
    arrival = Arrival(
        headers=headers, last_instance_s=100.0, open_associations=associations, released_s=released_s
    )
    assert closed(arrival, now_s, WAITS) is by


def test_two_phases_are_whole_each() -> None:
    """Volumes of one series are judged each for itself, in place of another or not."""
    second = [replace(h, sop_instance_uid=f"{h.sop_instance_uid}.9", acquisition_number=2) for h in WHOLE]
    assert whole((*WHOLE, *second))
    assert not whole((*WHOLE, *(h for h in second if h.instance_number != 5)))


def test_a_localizer_is_no_hole() -> None:
    """A localizer far away from the slices does not keep a series open."""
    scout = replace(
        header(99), position_mm=PointMm(0, 0, 500), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")
    )
    assert whole((*WHOLE, scout))


@given(st.permutations(WHOLE), st.floats(100, 400), st.floats(0, 100))
def test_waiting_longer_never_reopens(headers, now_s: float, more_s: float) -> None:
    """Once closed, a series stays closed as time passes; order of arrival does not matter."""
    arrival = Arrival(headers=tuple(headers), last_instance_s=100.0, open_associations=0, released_s=100.0)
    if closed(arrival, now_s, WAITS):
        assert closed(arrival, now_s + more_s, WAITS)
    assert closed(arrival, now_s, WAITS) is closed(replace(arrival, headers=WHOLE), now_s, WAITS)


PIECES = [
    pytest.param(WHOLE, 0, 100.0, False, ClosedBy.GEOMETRY, id="whole, in one piece"),
    pytest.param(WHOLE, 0, 100.0, True, None, id="whole, its sender may return"),
    pytest.param(WHOLE, 1, None, False, None, id="whole, its association still open"),
    pytest.param(WHOLE, 1, 100.0, False, None, id="whole, another association open"),
    pytest.param(HOLED, 0, 100.0, False, None, id="holed"),
    pytest.param(WHOLE[:2], 0, 100.0, False, None, id="too few for a stack"),
]


@pytest.mark.parametrize(("headers", "associations", "released_s", "may_return", "by"), PIECES)
def test_a_series_in_one_piece_is_not_waited_for(headers, associations, released_s, may_return, by) -> None:
    """At the very release: closed, if it is whole and nothing else may come."""
    arrival = Arrival(
        headers=headers,
        last_instance_s=100.0,
        open_associations=associations,
        released_s=released_s,
        may_return=may_return,
    )
    assert closed(arrival, 100.0, WAITS) is by
