from __future__ import annotations

import threading

import pytest

from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import Interrupted
from millet.flow.precedence import Precedence

LONG_S = 30.0
"""More than any of this takes: only a failure waits so long."""


class Waiter(threading.Thread):
    """Gives way, and says when it asked and when it went on."""

    def __init__(self, precedence: Precedence, urgency: int) -> None:
        super().__init__(daemon=True)
        self._precedence, self._urgency = precedence, urgency
        self.asked, self.passed = threading.Event(), threading.Event()
        self._asks = 0
        self.start()

    def run(self) -> None:
        """Wait once."""
        self._precedence.give_way(self._urgency, self._check)
        self.passed.set()

    def _check(self) -> None:
        self._asks += 1
        if self._asks == 2:  # the first is before it waits, the second while it does
            self.asked.set()


def test_routine_work_waits_while_an_emergency_is_in_hand() -> None:
    """And goes on when the last of them is done."""
    precedence = Precedence()
    with precedence.work(EMERGENCY):
        with precedence.work(EMERGENCY):
            waiter = Waiter(precedence, ROUTINE)
            assert waiter.asked.wait(LONG_S)
        assert not waiter.passed.is_set()
    assert waiter.passed.wait(LONG_S)


def test_work_gives_way_to_nobody_of_its_own_rank() -> None:
    """Nor to what is less urgent."""
    precedence = Precedence()
    with precedence.work(ROUTINE), precedence.work(EMERGENCY):
        precedence.give_way(EMERGENCY)
    with precedence.work(ROUTINE):
        precedence.give_way(ROUTINE)
        precedence.give_way(EMERGENCY)


def test_work_that_fails_is_no_longer_in_hand() -> None:
    """An emergency that could not be finished holds nobody up."""
    precedence = Precedence()
    with pytest.raises(OSError, match="disk"), precedence.work(EMERGENCY):
        raise OSError("disk")
    precedence.give_way(ROUTINE)


def test_a_wait_can_be_ended() -> None:
    """`check` is asked before the wait and while it lasts; what it raises comes out."""
    precedence = Precedence()
    asks = []

    def check() -> None:
        asks.append(len(asks))
        if len(asks) == 3:
            raise Interrupted

    with precedence.work(EMERGENCY), pytest.raises(Interrupted):
        precedence.give_way(ROUTINE, check)
    assert len(asks) == 3
    with pytest.raises(Interrupted):
        precedence.give_way(ROUTINE, _stopped)


def _stopped() -> None:
    raise Interrupted
