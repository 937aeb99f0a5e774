from __future__ import annotations

from dataclasses import replace

import pytest
from instances import header

from millet.core.assembler import Arrival, ClosedBy, Waits
from millet.core.habits import Habit, Rhythm, learn
from millet.errors import StoreError
from millet.flow.asking import Asking
from millet.flow.completion import Coming, Completion
from millet.ports import Sender

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)
CT1, CT2 = Sender("north", "CT1"), Sender("north", "CT2")
WHOLE = tuple(header(n) for n in range(1, 31))
HOLED = tuple(h for h in WHOLE if h.instance_number != 4)


class MemoryHabits:
    """A `Habits` in memory, which may be away."""

    def __init__(self):
        self.known = {}
        self.away = False

    def habit(self, sender):
        """What is known."""
        if self.away:
            raise StoreError("away")
        return self.known.get(sender, Habit())

    def learn(self, sender, seen):
        """Learn."""
        self.known[sender] = learn(self.habit(sender), seen)
        return self.known[sender]


def coming(headers=WHOLE, sender=CT1, series_id=1, **facts):
    """A series whose last instance came at 100 s, when its association ended."""
    usual = {"last_instance_s": 100.0, "open_associations": 0, "released_s": 100.0, "may_return": False}
    return Coming(
        series_id=series_id,
        sender=sender,
        arrival=Arrival(headers=headers, **(usual | facts)),
        rhythm=Rhythm(pause_s=0.1),
        carriers=frozenset([7]),
    )


def ended(completion, number, **facts):
    """So many series of one sender that were closed at once."""
    for series_id in range(1, number + 1):
        one = coming(series_id=series_id, **facts)
        completion.ended(one, completion.judge(one, 100.0) or ClosedBy.QUIET)


def test_without_anything_learned_the_rules_decide():
    """As configured, whoever sends; also where the sender is not known."""
    completion = Completion(WAITS)
    assert completion.judge(coming(), 100.0) is ClosedBy.GEOMETRY
    assert completion.judge(coming(HOLED), 159.9) is None
    assert completion.judge(coming(HOLED, sender=None), 160.0) is ClosedBy.GAP_TIMEOUT


def test_what_comes_late_makes_its_sender_one_that_is_waited_for():
    """One that came back, over another association; others are not."""
    completion = Completion(WAITS)
    ended(completion, 1)
    completion.came_late(1, CT1, 8, 104.0)
    assert completion.judge(coming(series_id=2), 100.0) is None
    assert completion.judge(coming(series_id=2), 102.0) is ClosedBy.GEOMETRY
    assert completion.judge(coming(series_id=3, sender=CT2), 100.0) is ClosedBy.GEOMETRY


def test_a_pause_of_an_association_is_no_return():
    """More over the very association that carried the series: it was still at it."""
    completion = Completion(WAITS)
    ended(completion, 1)
    completion.came_late(1, CT1, 7, 104.0)
    assert completion.judge(coming(series_id=2), 100.0) is ClosedBy.GEOMETRY


def test_what_another_sender_brings_late_is_not_this_ones_habit():
    """Slices that were pulled from an archive, or sent by hand: the scanner has not come back."""
    completion = Completion(WAITS)
    ended(completion, 1)
    completion.came_late(1, CT2, 8, 104.0)
    for sender in (CT1, CT2):
        assert completion.judge(coming(series_id=2, sender=sender), 100.0) is ClosedBy.GEOMETRY


def test_nothing_is_learned_of_a_series_that_was_not_closed_here():
    """A series that another process closed, or one that is just new."""
    habits = MemoryHabits()
    completion = Completion(WAITS, habits)
    completion.came_late(5, CT1, 8, 104.0)
    completion.judge(coming(), 100.0)
    assert habits.known == {}


def test_a_learned_habit_outlives_the_process():
    """The next one waits as this one learned to; a gap is given up sooner for a steady sender."""
    habits = MemoryHabits()
    ended(Completion(WAITS, habits), 40)
    again = Completion(WAITS, habits)
    assert again.judge(coming(HOLED), 109.9) is None
    assert again.judge(coming(HOLED), 110.0) is ClosedBy.GAP_TIMEOUT
    assert again.judge(coming(HOLED, sender=CT2), 110.0) is None


def test_habits_that_are_away_stop_nothing():
    """Judged as configured meanwhile, with what is known once they are back."""
    habits = MemoryHabits()
    ended(Completion(WAITS, habits), 40)
    habits.away = True
    completion = Completion(WAITS, habits)
    assert completion.judge(coming(HOLED), 110.0) is None
    ended(completion, 1)
    habits.away = False
    assert completion.judge(coming(HOLED), 110.0) is ClosedBy.GAP_TIMEOUT


def counted(count, came=30):
    """Slices that state a count."""
    return tuple(replace(header(n), stated_instances=count) for n in range(1, came + 1))


@pytest.mark.parametrize("wrong", ["short of it", "more than it"])
def test_a_count_that_did_not_hold_is_not_believed_again(wrong):
    """One that was never reached, and one that was passed by slices that came late."""
    completion, series = Completion(WAITS), coming(counted(30), open_associations=1, released_s=None)
    if wrong == "short of it":
        short = coming(counted(31))
        assert completion.judge(short, 159.9) is None
        completion.ended(short, completion.judge(short, 160.0))
    else:
        assert completion.judge(series, 100.0) is ClosedBy.COUNT
        completion.ended(series, ClosedBy.COUNT)
        completion.came_late(1, CT1, 7, 104.0)
    later = replace(series, series_id=2)
    assert completion.judge(later, 100.0) is None
    assert completion.judge(replace(later, sender=CT2), 100.0) is ClosedBy.COUNT


def test_a_count_stays_believed_that_a_series_with_a_hole_is_short_of():
    """It is the series that is to blame, as far as anybody knows."""
    completion = Completion(WAITS)
    holed = tuple(h for h in counted(30) if h.instance_number != 9)
    completion.ended(coming(holed), ClosedBy.GAP_TIMEOUT)
    assert completion.judge(coming(counted(30), open_associations=1), 100.0) is ClosedBy.COUNT


class Bench:
    """Completion beside an archive that holds so many."""

    def __init__(self, holds):
        self.now_s, self.holds, self.asked = 100.0, holds, 0
        self.asking = Asking(self._count, lambda: self.now_s)
        self.completion = Completion(WAITS, asking=self.asking)

    def _count(self, _named):
        self.asked += 1
        return self.holds

    def at(self, now_s, series):
        """Judge, let the worker ask, and judge again."""
        self.now_s = now_s
        self.completion.judge(series, now_s)
        self.asking.step()
        return self.completion.judge(series, now_s)


def test_an_archive_that_holds_the_same_ends_the_waiting():
    """At once for a stack without holes whose association stays open; of a hole it must say so twice."""
    assert Bench(30).at(102.0, coming(open_associations=1)) is ClosedBy.ARCHIVE
    bench = Bench(29)
    assert bench.at(102.0, coming(HOLED)) is None
    assert bench.at(110.0, coming(HOLED)) is ClosedBy.ARCHIVE
    assert bench.asked == 2


def test_an_archive_that_holds_more_delays_silence_and_never_the_cap():
    """A series that would be closed for silence is waited for, as long as a hole."""
    bench = Bench(31)
    series = coming(open_associations=1)
    for now_s in (102.0, 110.0, 159.9):
        assert bench.at(now_s, series) is None
    assert bench.at(160.0, series) is ClosedBy.QUIET
    assert bench.asked == 2


def test_an_archive_is_not_asked_about_what_is_complete_anyway():
    """A whole series whose association ended is nobody's question."""
    bench = Bench(31)
    assert bench.at(100.0, coming()) is ClosedBy.GEOMETRY
    assert bench.at(102.0, coming(may_return=True)) is ClosedBy.GEOMETRY
    assert bench.asked == 0
