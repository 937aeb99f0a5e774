from __future__ import annotations

import threading
import weakref

from millet.errors import Interrupted
from millet.flow.hands import Hands


def test_pieces_are_done_in_their_order_by_so_many_threads():
    """One that is interrupted ends no thread."""

    def interrupted():
        raise Interrupted

    hands, done, last = Hands("test", 1), [], threading.Event()
    for number in range(3):
        hands.do(lambda number=number: done.append(number))
    hands.do(interrupted)
    hands.do(last.set)
    assert last.wait(20)
    assert done == [0, 1, 2]
    hands.stop()


def test_who_waits_for_the_next_piece_does_not_hold_the_last_one():
    """It may refer to a whole series."""

    class Large:
        """What a piece works on."""

    hands, freed = Hands("test", 1), threading.Event()
    large = Large()
    weakref.finalize(large, freed.set)
    hands.do(lambda large=large: None)
    del large
    assert freed.wait(20)
    hands.stop()


def test_after_the_stop_nothing_is_begun():
    """What is in hand goes on, and nobody waits for it."""
    hands, began, go, done = Hands("test", 1), threading.Event(), threading.Event(), []

    def piece():
        began.set()
        go.wait(20)
        done.append("in hand")

    hands.do(piece)
    hands.do(lambda: done.append("waiting"))
    assert began.wait(20)
    hands.stop()
    go.set()
    hands._threads[0].join(20)
    assert done == ["in hand"]
