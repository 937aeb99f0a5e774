from __future__ import annotations

import threading

import pytest

from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import Interrupted
from millet.flow.precedence import Precedence

PATIENCE_S = 20


def test_routine_work_stands_aside_until_the_last_emergency_is_done():
    """Two emergencies in hand: the end of one is not enough."""
    precedence, passed = Precedence(), threading.Event()

    def routine():
        with precedence.work(ROUTINE):
            precedence.give_way(ROUTINE)
            passed.set()

    thread = threading.Thread(target=routine)
    with precedence.work(EMERGENCY):
        with precedence.work(EMERGENCY):
            thread.start()
            assert not passed.wait(0.05)
        assert not passed.wait(0.05)
    assert passed.wait(PATIENCE_S)
    thread.join()


@pytest.mark.parametrize("urgency", [ROUTINE, EMERGENCY])
def test_nobody_stands_aside_for_its_like_or_for_less(urgency):
    """Routine beside routine, an emergency beside anything."""
    precedence = Precedence()
    with precedence.work(ROUTINE), precedence.work(urgency):
        precedence.give_way(urgency)


def test_a_wait_ends_when_the_service_stops():
    """While an emergency is in hand, too."""
    precedence, checks = Precedence(), []

    def check():
        checks.append(1)
        if len(checks) == 3:
            raise Interrupted

    with precedence.work(EMERGENCY), pytest.raises(Interrupted):
        precedence.give_way(ROUTINE, check)


def test_an_emergency_that_fails_holds_nobody_up():
    """Its end is an end."""
    precedence = Precedence()
    with pytest.raises(ValueError, match="bad"), precedence.work(EMERGENCY):
        raise ValueError("bad")
    precedence.give_way(ROUTINE)
