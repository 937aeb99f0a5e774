from __future__ import annotations

import pytest
import sqlalchemy as sa
from working import PATIENCE_S, beat, never, until

from millet.edge.journal.base import Job
from millet.edge.journal.durable import PROTOCOL
from millet.edge.journal.stranded import WORKFLOW, Stranded, Version
from millet.errors import Interrupted


def test_nobody_takes_what_waits_for_a_living_one(workers):
    """An executor listens to its own queues and the shared ones, not to those of others."""
    worker = workers("host-1")
    beat(worker, "host-0")
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(1, 1, analyser="host-0"))
        worker.work.enqueue(connection, Job(2, 1, urgency=1))
    worker.work.start(worker.run, never)
    assert worker.ran.wait(PATIENCE_S)
    assert worker.work.reconcile() == []
    assert worker.runs == [(2, 1)]
    assert worker.queues() == ["analysis@host-0", "emergency"]


def test_an_emergency_that_is_put_back_stays_one(workers):
    """It goes to the shared queue of its urgency."""
    worker = workers("host-1")
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(1, 1, urgency=1, analyser="gone-0"))
    assert Stranded(worker.engine, "host-1", PROTOCOL).put_back([]) == [f"{WORKFLOW}-1-1"]
    assert worker.queues() == ["emergency"]


OLDER, NEWER = Version(number=6, oldest=6), Version(number=7, oldest=6)


def test_a_newer_version_does_the_work_of_an_older_one(workers, work_url):
    """What an older version queued for all, and what its dead executors had, is done by the newer one."""
    old = workers("old-0", url=work_url, version=OLDER)
    with old.engine.begin() as connection:
        old.work.enqueue(connection, Job(1, 1))
        old.work.enqueue(connection, Job(2, 1, analyser="gone-0"))
    old.stop()
    worker = workers("new-0", url=work_url, version=NEWER)
    worker.work.start(worker.run, never)
    assert worker.work.reconcile() == [f"{WORKFLOW}-{number}-1" for number in (1, 2)]
    until(lambda: len(worker.runs) == 2, worker)
    assert sorted(worker.runs) == [(1, 1), (2, 1)]


def test_a_newer_version_under_the_same_name_finishes_what_the_older_one_began(workers):
    """A process that was replaced by a newer one at its work: the newer one does it again."""
    old = workers("host-0", version=OLDER)
    with old.engine.begin() as connection:
        old.work.enqueue(connection, Job(1, 1))

    def interrupted(series_id, generation):
        old.run(series_id, generation)
        raise Interrupted

    old.work.start(interrupted, never)
    assert old.ran.wait(PATIENCE_S)
    old.stop()
    worker = workers("host-0", version=NEWER)
    worker.work.start(worker.run, never)
    until(worker.ran.is_set, worker)
    assert worker.runs == [(1, 1)]


def test_the_work_of_a_newer_version_is_left_to_it(workers):
    """An older one does not know what it means; nor a newer one that of one too old to adopt."""
    new = workers("new-0", version=NEWER)
    with new.engine.begin() as connection:
        new.work.enqueue(connection, Job(1, 1))
        new.work.enqueue(connection, Job(2, 1, analyser="gone-0"))
    assert Stranded(new.engine, "host-0", OLDER).put_back([]) == []
    assert Stranded(new.engine, "host-0", Version(number=9, oldest=8)).put_back([]) == []


def test_work_that_somebody_has_taken_up_is_not_moved(workers):
    """Two find the work of a dead one; the first moves it, the second sees that it is not as it was."""
    worker = workers("host-1")
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(1, 1, analyser="gone-0"))
    told = []

    class Late(Stranded):
        def _moved(self, row):
            told.extend(Stranded(worker.engine, "host-2", PROTOCOL).put_back([]))
            return super()._moved(row)

    assert Late(worker.engine, "host-1", PROTOCOL).put_back([]) == []
    assert told == [f"{WORKFLOW}-1-1"]


def test_work_for_another_model_is_left_to_who_has_it(workers, work_url):
    """An analyser whose titles do not name that model neither takes nor moves it; one that does, does it."""
    without = workers("host-0", url=work_url)
    with without.engine.begin() as connection:
        without.work.enqueue(connection, Job(1, 1, model_title="CHILD"))
        without.work.enqueue(connection, Job(2, 1))
    without.work.start(without.run, never)
    assert without.ran.wait(PATIENCE_S)
    assert without.work.reconcile() == []
    without.stop()
    assert (without.runs, sorted(without.queues())) == ([(2, 1)], ["analysis", "analysis#CHILD"])
    worker = workers("host-1", url=work_url, titles=("", "CHILD"))
    worker.work.start(worker.run, never)
    assert worker.ran.wait(PATIENCE_S)
    assert worker.runs == [(1, 1)]


@pytest.mark.parametrize("title", ["CHILD", "A@host-0#B%_", "*"])
def test_what_the_dead_had_is_put_back_for_who_has_its_model(workers, title):
    """Whatever signs its title holds; also what waits here for a model that is here no longer."""
    worker = workers("host-0")
    beat(worker, "host-0")
    beat(worker, "host-1")
    with worker.engine.begin() as connection:
        for number, analyser in enumerate(("gone-0", "host-0", "host-1", ""), 1):
            worker.work.enqueue(connection, Job(number, 1, urgency=1, analyser=analyser, model_title=title))
    stranded = Stranded(worker.engine, "host-0", PROTOCOL)
    assert stranded.put_back([]) == [f"{WORKFLOW}-{number}-1" for number in (1, 2)]
    shared = f"emergency#{title}"
    assert sorted(worker.queues()) == sorted([shared, shared, f"emergency@host-1#{title}", shared])
    assert stranded.put_back([]) == []


def test_what_waits_here_for_a_model_that_is_here_stays(workers):
    """The queue of its own that an executor asks is not emptied by itself."""
    worker = workers("host-0")
    beat(worker, "host-0")
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(1, 1, analyser="host-0", model_title="CHILD"))
    assert Stranded(worker.engine, "host-0", PROTOCOL, ("", "CHILD")).put_back([]) == []
    assert worker.queues() == ["analysis@host-0#CHILD"]


def test_work_for_another_model_is_given_up_by_who_has_it(workers, work_url):
    """It killed its executor too often: who has not its model leaves it, and goes on with the rest."""
    worker = workers("host-0", max_attempts=1, url=work_url)
    left = []

    def give_up(series_id, generation):
        left.append(series_id)
        raise Interrupted

    worker.work.start(worker.run, give_up)
    worker.close_series()
    assert worker.ran.wait(PATIENCE_S)
    until(lambda: all(one.status == "SUCCESS" for one in worker.statuses()), worker)
    spent = f"UPDATE {worker.table} SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', queue_name = NULL"
    with worker.engine.begin() as connection:
        connection.execute(sa.text(spent))
    for _ in range(2):
        worker.work.reconcile()
    assert left == [1]
    assert [one.status for one in worker.statuses()] == ["MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
    worker.stop()
    other, given_up = workers("host-1", url=work_url), []
    other.work.start(other.run, lambda *which: given_up.append(which))
    other.work.reconcile()
    assert given_up == [(1, 1)]
    assert [one.status for one in other.statuses()] == ["CANCELLED"]
