from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instances import header

from millet.core.assembler import REPORTS, ArchiveSays, Arrival, ClosedBy, Waits, closed, planes, whole
from millet.core.geometry import PointMm

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)
WHOLE = tuple(header(n) for n in range(1, 9))
REPORT = (replace(header(1), sop_class_uid=min(REPORTS)),)
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
    pytest.param(REPORT, 0, 100.0, 101.9, None, id="a report, not settled"),
    pytest.param(REPORT, 0, 100.0, 102.0, ClosedBy.GEOMETRY, id="a report, settled"),
    pytest.param(REPORT + WHOLE[:1], 0, 100.0, 110.0, None, id="a report beside a single slice"),
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


def counted(count, came, **facts):
    """So many slices, of a series that states a count."""
    return tuple(replace(header(n), stated_instances=count, **facts) for n in range(1, came + 1))


COUNTS = [
    pytest.param(counted(30, 30), 1, 100.1, ClosedBy.COUNT, id="reached, association open"),
    pytest.param(counted(30, 30), 0, 100.1, ClosedBy.COUNT, id="reached, released"),
    pytest.param(counted(30, 29), 0, 130.0, None, id="short, settled long ago"),
    pytest.param(counted(30, 29), 1, 159.9, None, id="short, silent"),
    pytest.param(counted(30, 29), 1, 160.0, ClosedBy.QUIET, id="short, waited for no longer than a hole"),
    pytest.param(counted(30, 31), 0, 101.9, None, id="passed, not settled"),
    pytest.param(counted(30, 31), 0, 102.0, ClosedBy.GEOMETRY, id="passed, as if nothing was said"),
    pytest.param(tuple(h for h in counted(30, 31) if h.instance_number != 9), 1, 105.0, None, id="holed"),
    pytest.param(counted(8, 8), 1, 105.0, None, id="reached, of a fragment"),
]


@pytest.mark.parametrize(("headers", "associations", "now_s", "by"), COUNTS)
def test_a_stated_count_hastens_and_delays(headers, associations, now_s, by) -> None:
    """Reached with a whole stack: closed at once; short: waited for, up to the cap; wrong: nothing."""
    arrival = Arrival(
        headers=headers, last_instance_s=100.0, open_associations=associations, released_s=100.0
    )
    assert closed(arrival, now_s, WAITS) is by


def test_a_sender_whose_counts_did_not_hold_is_not_believed() -> None:
    """Neither that all is there, nor that something is missing."""
    said = {"last_instance_s": 100.0, "open_associations": 0, "released_s": 100.0, "trusts_counts": False}
    assert closed(Arrival(headers=counted(30, 30), **said), 101.0, WAITS) is None
    assert closed(Arrival(headers=counted(30, 29), **said), 102.0, WAITS) is ClosedBy.GEOMETRY


ARCHIVES = [
    pytest.param(WHOLE, ArchiveSays.ALL, 100.1, ClosedBy.ARCHIVE, id="all, whole"),
    pytest.param(HOLED, ArchiveSays.ALL, 100.1, ClosedBy.ARCHIVE, id="all, holed"),
    pytest.param(WHOLE, ArchiveSays.MORE, 159.9, None, id="more, waited for"),
    pytest.param(WHOLE, ArchiveSays.MORE, 160.0, ClosedBy.QUIET, id="more, given up"),
    pytest.param(HOLED, ArchiveSays.MORE, 160.0, ClosedBy.GAP_TIMEOUT, id="more, holed, given up"),
    pytest.param(HOLED, ArchiveSays.NOTHING, 110.0, None, id="nothing"),
]


@pytest.mark.parametrize(("headers", "says", "now_s", "by"), ARCHIVES)
def test_what_an_archive_holds_decides(headers, says, now_s, by) -> None:
    """The same: nothing more will come, hole or not. More: it is waited for, up to the cap."""
    arrival = Arrival(
        headers=headers, last_instance_s=100.0, open_associations=1, released_s=None, archive=says
    )
    assert closed(arrival, now_s, WAITS) is by


def again(headers, tail="9"):
    """The same slices under other UIDs."""
    return tuple(replace(h, sop_instance_uid=f"{h.sop_instance_uid}.{tail}") for h in headers)


def test_resends_are_no_holes() -> None:
    """One or two slices that came again; all of them again is a second pass, whole if each place has it."""
    for resent in (again(WHOLE[2:4]), again(WHOLE)):
        assert whole((*WHOLE, *resent))
    assert not whole((*HOLED, *again(HOLED[:2])))


@pytest.mark.parametrize("came", range(3, len(WHOLE)))
def test_a_second_pass_under_way_is_waited_for(came) -> None:
    """Some places are held twice, the others not yet: the rest of the pass may be on its way."""
    assert not whole((*WHOLE, *again(WHOLE[:came])))


def test_slices_of_one_place_over_time_are_whole() -> None:
    """A series that watches one place has no steps, and so no holes."""
    assert whole(tuple(replace(h, position_mm=PointMm(0, 0, 0)) for h in WHOLE))


ENHANCED, LEGACY = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"


def frames(number, **facts):
    """A multi-frame object, whose places stand in its functional groups."""
    facts = {"sop_class_uid": ENHANCED, "frames": 100, "position_mm": None} | facts
    return replace(header(number), **facts)


@pytest.mark.parametrize("sop_class_uid", [ENHANCED, LEGACY])
def test_one_multi_frame_object_may_be_the_series(sop_class_uid) -> None:
    """It is a stack in itself, closed when its association ends."""
    one = frames(1, sop_class_uid=sop_class_uid)
    arrival = Arrival(
        headers=(one,), last_instance_s=100.0, open_associations=0, released_s=100.0, may_return=False
    )
    assert closed(arrival, 100.0, WAITS) is ClosedBy.GEOMETRY
    assert closed(replace(arrival, open_associations=1), 105.0, WAITS) is None
    assert planes((one, header(2))) == 101


def test_the_parts_of_a_concatenation_belong_together() -> None:
    """As many as it says; where it does not say, what is there is all that is known of."""
    parts = [frames(n, concatenation_uid="1.7", concatenation_parts=3) for n in (1, 2, 3)]
    assert [whole(parts[:n]) for n in (1, 2, 3)] == [False, False, True]
    assert whole([frames(1, concatenation_uid="1.7")])
    assert not whole([*parts, frames(4, concatenation_uid="1.8", concatenation_parts=2)])
    assert not whole([*parts, *HOLED])
