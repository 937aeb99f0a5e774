"""The states of a series on its way through, as a table.

    receiving -> queued -> analysing -> analysed | not-analysed | parked

A late instance re-opens a series from any state: its next generation is received. A worker that died
left its series `analysing`; whoever takes the work over claims it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a series stands."""

    RECEIVING = "receiving"
    """Instances may still come."""
    QUEUED = "queued"
    """Closed; its analysis is journalled and waits for a worker."""
    ANALYSING = "analysing"
    """A worker has it."""
    ANALYSED = "analysed"
    """Ended: findings, or none found."""
    NOT_ANALYSED = "not-analysed"
    """Ended: not analysed, for a coded reason."""
    PARKED = "parked"
    """A fault of ours, tried as often as may be; an operator sees it."""


class Event(StrEnum):
    """What can happen to a series."""

    ARRIVE = "arrive"
    """An instance that is new."""
    CLOSE = "close"
    """Taken for complete."""
    CLAIM = "claim"
    """A worker begins, or begins again."""
    FINISH = "finish"
    """An analysis was committed."""
    REFUSE = "refuse"
    """A verdict was committed: not analysed."""
    PARK = "park"
    """Given up until an operator looks."""


class IllegalTransition(Exception):  # noqa: N818 - the name says it
    """An event that cannot happen in a state: a fault of ours."""

    def __init__(self, state: State, event: Event) -> None:
        self.state = state
        self.event = event
        super().__init__(f"{event.value} cannot happen to a series that is {state.value}")


TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.RECEIVING, Event.CLOSE): State.QUEUED,
        (State.QUEUED, Event.CLAIM): State.ANALYSING,
        (State.ANALYSING, Event.CLAIM): State.ANALYSING,
        (State.ANALYSING, Event.FINISH): State.ANALYSED,
        (State.ANALYSING, Event.REFUSE): State.NOT_ANALYSED,
        (State.ANALYSING, Event.PARK): State.PARKED,
        (State.QUEUED, Event.PARK): State.PARKED,
        **{(state, Event.ARRIVE): State.RECEIVING for state in State},
    }
)


def advance(state: State, event: Event) -> State:
    """The state after an event; IllegalTransition where the table has none."""
    if (following := TRANSITIONS.get((state, event))) is None:
        raise IllegalTransition(state, event)
    return following
