from __future__ import annotations

import threading

import pytest
from working import PATIENCE_S, never

from millet.edge.journal.base import Job
from millet.edge.journal.bell import rousable


def test_a_sleeper_is_woken_by_its_own_ring_alone():
    """Not by that of another queue; and who is rung while awake does not sleep next time."""
    stop, woke = threading.Event(), []
    ring, done = rousable(stop), threading.Event()

    def sleeps():
        for _ in range(3):
            woke.append(stop.wait(PATIENCE_S))
            done.set()

    sleeper = threading.Thread(target=sleeps, name="queue-worker-emergency")
    sleeper.start()
    ring(["analysis"])
    assert not done.wait(0.05)
    ring(["emergency"])
    assert done.wait(PATIENCE_S)
    ring(["emergency"])
    stop.set()
    sleeper.join(PATIENCE_S)
    assert woke[0] is False
    assert woke[-1] is True
    assert len(woke) == 3


def test_a_ring_while_nobody_sleeps_is_not_lost():
    """The next sleep ends at once; the one after it does not."""
    stop, woke = threading.Event(), []
    ring = rousable(stop)

    def sleeps():
        ring(["analysis"])
        woke.extend(stop.wait(seconds) for seconds in (PATIENCE_S, 0.01))

    sleeper = threading.Thread(target=sleeps, name="queue-worker-analysis")
    sleeper.start()
    sleeper.join(PATIENCE_S / 2)
    assert woke == [False, False]


@pytest.mark.parametrize("analyser", ["host-0", ""])
def test_work_is_taken_when_it_is_written(workers, work_url, analyser, monkeypatch):
    """Without a bell it would not be asked for within an hour; one piece follows the other, too."""
    monkeypatch.setattr("millet.edge.journal.durable.POLL_S", 3600.0)
    worker, writer = workers(url=work_url), workers("receiver", url=work_url)
    third = threading.Event()

    def run(series_id, generation):
        worker.run(series_id, generation)
        if len(worker.runs) == 3:
            third.set()

    worker.work.start(run, never)
    for series_id in (1, 2, 3):
        with writer.engine.begin() as connection:
            writer.work.enqueue(connection, Job(series_id, 1, analyser=analyser))
    assert third.wait(PATIENCE_S)
    assert sorted(worker.runs) == [(1, 1), (2, 1), (3, 1)]
