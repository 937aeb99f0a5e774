from __future__ import annotations

import threading

import pytest
from fakes import MemoryObjects

from millet.core.habits import FADING, Habit, Observation, Rhythm
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import Sender

SEEN = Observation(rhythm=Rhythm(pause_s=0.3, return_s=4.0), count_held=True)
SENDER = Sender("north", "CT1")


def journal(url):
    """The journal of one process."""
    engine = open_engine(url)
    return SqlJournal(engine, lambda *_: None, MemoryObjects()), engine


def test_a_habit_outlives_its_process(journal_url):
    """What was learned is there after a restart; of another site or sender nothing is known."""
    first, engine = journal(journal_url)
    assert first.habit(SENDER) == Habit()
    learned = first.learn(SENDER, SEEN)
    assert learned.series == 1
    engine.dispose()
    again, engine = journal(journal_url)
    assert again.habit(SENDER) == learned
    assert again.learn(SENDER, SEEN).series > 1
    for other in (Sender("south", "CT1"), Sender("north", "CT2")):
        assert again.habit(other) == Habit()
    engine.dispose()


def test_receivers_that_learn_at_once_forget_nothing(journal_url):
    """Each observation of each process is in the habit."""
    both = [journal(journal_url) for _ in range(2)]
    start = threading.Barrier(2)

    def work(one):
        start.wait(20)
        for _ in range(10):
            one.learn(SENDER, SEEN)

    threads = [threading.Thread(target=work, args=(one,)) for one, _ in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert both[0][0].habit(SENDER).series == pytest.approx(sum(FADING**n for n in range(20)))
    for _, engine in both:
        engine.dispose()
