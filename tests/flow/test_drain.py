from __future__ import annotations

import threading

import pytest

from millet.errors import Interrupted
from millet.flow.drain import Drain


def test_work_in_hand_may_end_by_itself():
    """A stop waits for the work in hand and says that nothing was cut off."""
    drain, begun, go_on = Drain(), threading.Event(), threading.Event()

    def work():
        with drain.work():
            begun.set()
            go_on.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    go_on.set()
    assert drain.stop(10.0)
    thread.join(10)


def test_work_that_takes_too_long_is_cut_off():
    """After the time is up the work's next check ends it."""
    drain, begun, ended = Drain(), threading.Event(), threading.Event()

    def work():
        try:
            with drain.work():
                begun.set()
                while True:
                    drain.check()
        except Interrupted:
            ended.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    begun.wait(10)
    assert not drain.stop(0.0)
    assert ended.wait(10)
    thread.join(10)


def test_nothing_new_is_taken_after_a_stop():
    """Work that comes while stopping is refused with Interrupted, so it stays in the queue."""
    drain = Drain()
    assert drain.stop(0.0)
    with pytest.raises(Interrupted), drain.work():
        pytest.fail("work was taken")
