from __future__ import annotations

import pytest

from millet.core.job import TRANSITIONS, Event, IllegalTransition, State, advance


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([Event.CLOSE, Event.CLAIM, Event.FINISH], State.ANALYSED),
        ([Event.CLOSE, Event.CLAIM, Event.CLAIM, Event.REFUSE], State.NOT_ANALYSED),
        ([Event.CLOSE, Event.PARK], State.PARKED),
        ([Event.CLOSE, Event.CLAIM, Event.ARRIVE, Event.CLOSE], State.QUEUED),
    ],
    ids=["whole road", "claimed again after a crash", "given up", "late instance"],
)
def test_a_series_goes_its_way(events, end):
    """The usual roads lead where they should."""
    state = State.RECEIVING
    for event in events:
        state = advance(state, event)
    assert state is end


@pytest.mark.parametrize("state", State)
def test_a_late_instance_reopens_any_series(state):
    """No state is so final that a new instance could be forgotten."""
    assert advance(state, Event.ARRIVE) is State.RECEIVING


@pytest.mark.parametrize("pair", [(s, e) for s in State for e in Event if (s, e) not in TRANSITIONS])
def test_whatever_is_not_in_the_table_cannot_happen(pair):
    """An event that the table does not know in a state is refused, and the refusal names both."""
    with pytest.raises(IllegalTransition, match=f"{pair[1].value}.*{pair[0].value}"):
        advance(*pair)
