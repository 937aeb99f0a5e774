import math

import pytest

from millet.core.turns import AGEING_S, EMERGENCY, NEVER, ROUTINE, Turn, batch, full, order

NOTHING: dict[str, float] = {}


def turn(number, series="a", *, urgency=ROUTINE, since_s=0.0, due_s=NEVER, alike="fine", size_bytes=10):
    """A window that waits."""
    return Turn(
        number=number,
        series=series,
        urgency=urgency,
        since_s=since_s,
        due_s=due_s,
        alike=alike,
        size_bytes=size_bytes,
    )


def numbers(turns):
    """Who they are."""
    return [one.number for one in turns]


def test_an_emergency_goes_first():
    """Whenever it came, whatever the others' deadlines and however much its series had."""
    waiting = [turn(1, due_s=3.0), turn(2, "b"), turn(3, "c", urgency=EMERGENCY, since_s=50.0)]
    assert numbers(order(waiting, {"c": 999.0}, 50.0)) == [3, 1, 2]


def test_a_stream_of_emergencies_starves_nobody():
    """A step of age is worth a step of urgency: routine work passes in the end, and not at once."""
    step_s, waiting, went = AGEING_S / 8, [turn(0, "routine")], []
    for number in range(1, 40):
        now_s = number * step_s
        waiting.append(turn(number, "emergency", urgency=EMERGENCY, since_s=now_s, due_s=now_s))
        first = order(waiting, {"routine": 1e9}, now_s)[0]
        waiting.remove(first)
        went.append(first.number)
    assert went.index(0) == 15
    assert [number for number in went if number] == list(range(1, 39))


def test_age_counts_from_its_step_on():
    """Not a moment before; a clock that went back makes nobody younger than new."""
    waiting = [turn(1, "b", since_s=AGEING_S), turn(2, due_s=5.0, since_s=2.0)]
    assert numbers(order(waiting[::-1], NOTHING, AGEING_S + 1.9)) == [2, 1]
    young_but_due, old = turn(1, due_s=5.0, since_s=AGEING_S), turn(2, since_s=0.0)
    assert numbers(order([young_but_due, old], NOTHING, AGEING_S - 0.1)) == [1, 2]
    assert numbers(order([young_but_due, old], NOTHING, AGEING_S)) == [2, 1]
    assert numbers(order([turn(1, since_s=1e6), turn(2, since_s=0.0)], NOTHING, 0.0)) == [1, 2]


def test_among_equals_the_earlier_deadline_goes_first():
    """A series that somebody waits for goes before one that still arrives."""
    waiting = [turn(1), turn(2, "b", due_s=9.0), turn(3, "c", due_s=4.0)]
    assert numbers(order(waiting, {"c": 1e9}, 0.0)) == [3, 2, 1]
    assert math.isinf(NEVER)


def test_series_share_a_device_fairly():
    """Two series of equal rank take turns, however many windows one of them put in first."""
    waiting = [turn(n, "many") for n in range(8)] + [turn(n, "few") for n in range(8, 12)]
    had: dict[str, float] = {}
    went = []
    while waiting:
        first = order(waiting, had, 0.0)[0]
        waiting.remove(first)
        had[first.series] = had.get(first.series, 0.0) + first.size_bytes
        went.append(first.series)
    assert went[:8] == ["many", "few"] * 4
    assert went[8:] == ["many"] * 4


def test_a_series_own_windows_go_in_the_order_they_came():
    """Nothing else tells them apart."""
    assert numbers(order([turn(n) for n in (5, 3, 9, 4)], NOTHING, 0.0)) == [3, 4, 5, 9]


def test_what_runs_together_is_alike():
    """Others wait, even where there is room for them; later ones that fit go along."""
    waiting = [turn(1), turn(2, alike="coarse"), turn(3, "b"), turn(4)]
    assert numbers(batch(waiting, 3, 100)) == [1, 3, 4]
    assert numbers(batch(waiting, 2, 100)) == [1, 3]
    assert batch([], 3, 100) == []


def test_a_batch_is_bounded_in_bytes():
    """One that is too large is passed over for a smaller one; the first alone runs whatever its size."""
    waiting = [turn(1, size_bytes=60), turn(2, size_bytes=60), turn(3, size_bytes=40)]
    assert numbers(batch(waiting, 9, 100)) == [1, 3]
    assert numbers(batch([turn(1, size_bytes=500), turn(2)], 9, 100)) == [1]


@pytest.mark.parametrize(
    ("count", "now_s", "runs"),
    [(1, 0.0, False), (1, 0.9, False), (1, 1.0, True), (3, 0.0, False), (4, 0.0, True)],
)
def test_a_batch_runs_when_it_is_full_or_has_waited(count, now_s, runs):
    """Full is as many as may run; patience counts from the one that waits longest."""
    taken = [turn(n, since_s=0.5 * (n > 0)) for n in range(count)]
    assert full(taken, 4, 1000, now_s, 1.0) is runs


def test_a_batch_with_no_room_for_another_of_its_size_runs():
    """In bytes too it is full before it is too full."""
    assert not full([turn(1), turn(2)], 9, 30, 0.0, 1.0)
    assert full([turn(1), turn(2)], 9, 29, 0.0, 1.0)


def test_without_patience_every_batch_runs_at_once():
    """Nobody waits for company."""
    assert full([turn(1)], 9, 1000, 0.0, 0.0)
