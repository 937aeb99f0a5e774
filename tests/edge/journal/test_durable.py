from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from instances import entry
from working import NOW, PATIENCE_S, never, until

from millet.edge.journal.base import Job
from millet.edge.journal.stranded import WORKFLOW
from millet.errors import Interrupted, StoreError


def test_a_closed_series_is_run(workers):
    """What the journal closed is run with its series and generation."""
    worker = workers()
    worker.work.start(worker.run, never)
    series_id = worker.close_series()
    assert worker.ran.wait(PATIENCE_S)
    assert worker.runs == [(series_id, 1)]


def test_work_waits_for_a_worker(workers):
    """A process that only receives enqueues; a worker that starts later runs it."""
    receiver = workers("receiver")
    receiver.close_series()
    receiver.stop()
    worker = workers()
    worker.work.start(worker.run, never)
    assert worker.ran.wait(PATIENCE_S)


def test_a_transaction_that_fails_leaves_no_work(workers):
    """Row and job are written together or not at all."""
    worker = workers()
    with worker.engine.connect() as connection:
        worker.work.enqueue(connection, Job(1, 1))
        connection.rollback()
    assert worker.statuses() == []


def test_enqueued_twice_is_once(workers):
    """The same generation of the same series is one piece of work."""
    worker = workers()
    for _ in range(2):
        with worker.engine.begin() as connection:
            worker.work.enqueue(connection, Job(1, 1))
    assert [row[0] for row in worker.statuses()] == [f"{WORKFLOW}-1-1"]


def test_work_that_fails_is_given_up_and_told(workers):
    """An error of the work is told with its series; the worker goes on."""
    worker = workers()
    told = threading.Event()
    given_up = []

    def fails(series_id, generation):
        raise ValueError

    def give_up(series_id, generation):
        given_up.append((series_id, generation))
        told.set()

    worker.work.start(fails, give_up)
    series_id = worker.close_series()
    assert told.wait(PATIENCE_S)
    assert given_up == [(series_id, 1)]


def test_a_failure_of_the_store_may_pass(workers):
    """A disk that is full for a while delays the work and costs no series its analysis."""
    worker = workers()
    done = threading.Event()

    def fails_at_first(series_id, generation):
        worker.run(series_id, generation)
        if len(worker.runs) < 2:
            raise StoreError("the disk failed")
        done.set()

    worker.work.start(fails_at_first, never)
    worker.close_series()
    until(done.is_set, worker)


def test_a_store_that_goes_on_failing_is_given_up(workers):
    """A file that is gone does not keep its series from ending."""
    worker = workers(max_attempts=2)
    told = threading.Event()

    def fails(series_id, generation):
        worker.run(series_id, generation)
        raise StoreError("the disk failed")

    worker.work.start(fails, lambda *_: told.set())
    series_id = worker.close_series()
    until(told.is_set, worker)
    assert worker.runs == [(series_id, 1)] * 2


def test_interrupted_work_is_run_again_after_a_restart(workers):
    """Work that a stop cuts short is no failure: the next start of the same executor takes it up."""
    first = workers()

    def interrupted(series_id, generation):
        first.run(series_id, generation)
        raise Interrupted

    first.work.start(interrupted, never)
    series_id = first.close_series()
    assert first.ran.wait(PATIENCE_S)
    first.stop()
    second = workers()
    second.work.start(second.run, never)
    assert second.ran.wait(PATIENCE_S)
    assert second.runs == [(series_id, 1)]


def test_nothing_is_pickled(workers):
    """The database holds JSON: reading it runs nothing."""
    worker = workers()
    worker.close_series()
    with worker.engine.connect() as connection:
        (kept,) = connection.execute(sa.text("SELECT inputs FROM workflow_input")).scalars()
    assert json.loads(kept) == {"args": [1, 1], "kwargs": {}}


DIES = """
import sys, os, signal
from millet.edge.journal import DurableWork, open_engine

def dies(series_id, generation):
    os.kill(os.getpid(), signal.SIGKILL)

engine = open_engine(sys.argv[1])
work = DurableWork(engine, sys.argv[2], max_attempts=1)
work.start(dies, dies)
signal.pause()
"""


def die_at_work(worker, executor_id):
    """A process of its own takes the work and is killed in the midst of it."""
    url = worker.engine.url.render_as_string(hide_password=False)
    ended = subprocess.run([sys.executable, "-c", DIES, url, executor_id], check=False, timeout=60)
    assert ended.returncode == -9


def test_kill_9_and_a_restart_run_the_work_again(workers):
    """An executor that died takes its own work up again when it comes back."""
    receiver = workers("receiver")
    series_id = receiver.close_series()
    receiver.stop()
    die_at_work(receiver, "host-0")
    worker = workers("host-0")
    assert worker.statuses()[0][1:] == ("PENDING", "host-0")
    worker.work.start(worker.run, never)
    assert worker.ran.wait(PATIENCE_S)
    assert worker.runs == [(series_id, 1)]


def test_the_work_of_a_dead_executor_is_taken_over(workers, work_url):
    """Work of an executor that does not come back stays with it for the lease, then goes to another."""
    receiver = workers("receiver", url=work_url)
    series_id = receiver.close_series()
    receiver.stop()
    die_at_work(receiver, "gone-0")
    worker = workers("host-1", url=work_url)
    worker.work.start(worker.run, never)
    assert worker.work.reconcile() == []
    worker.silence("gone-0")
    assert worker.work.reconcile() == []
    until(worker.ran.is_set, worker)
    assert worker.runs == [(series_id, 1)]


def test_work_that_cannot_even_be_ended_is_begun_anew(workers):
    """While the store fails, neither the work nor its end succeed; the work stays and is run again."""
    worker = workers()
    failed, failures = threading.Event(), [ValueError(), StoreError("the disk failed")]

    def run(series_id, generation):
        if failures:
            raise failures.pop(0)
        worker.run(series_id, generation)

    def give_up(series_id, generation):
        failed.set()
        raise failures.pop(0)

    worker.work.start(run, give_up)
    series_id = worker.close_series()
    assert failed.wait(PATIENCE_S)
    until(worker.ran.is_set, worker)
    assert worker.runs == [(series_id, 1)]


def test_a_series_that_kills_the_process_is_given_up(workers):
    """After its attempts, work that always kills its process is ended, once, without being run again."""
    receiver = workers("receiver")
    series_id = receiver.close_series()
    receiver.stop()
    for _ in range(2):
        die_at_work(receiver, "host-0")
    worker = workers("host-0", max_attempts=1)
    given_up = []
    worker.work.start(worker.run, lambda *which: given_up.append(which))
    until(lambda: given_up, worker)
    worker.work.reconcile()
    assert (given_up, worker.runs) == ([(series_id, 1)], [])


def test_dbos_prints_nothing(workers, capfd):
    """No line of the engine reaches the console."""
    worker = workers()
    worker.work.start(worker.run, never)
    worker.close_series()
    assert worker.ran.wait(PATIENCE_S)
    worker.stop()
    assert capfd.readouterr().out == ""
    assert "dbos" not in capfd.readouterr().err.lower()


@pytest.mark.parametrize(
    ("job", "queue"),
    [
        (Job(1, 1), "analysis"),
        (Job(1, 1, urgency=1), "emergency"),
        (Job(1, 1, analyser="host-7"), "analysis@host-7"),
        (Job(1, 1, urgency=1, analyser="host-7"), "emergency@host-7"),
        (Job(1, 1, model_title="CHILD"), "analysis#CHILD"),
        (Job(1, 1, urgency=1, analyser="host-7", model_title="CHILD"), "emergency@host-7#CHILD"),
    ],
)
def test_a_job_waits_in_the_queue_of_its_follower_urgency_and_model(workers, job, queue):
    """What nobody followed waits where everybody asks."""
    worker = workers()
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, job)
    assert worker.queues() == [queue]


def test_who_followed_a_series_analyses_it(workers):
    """From the first instance to the run: the lease in the journal becomes the queue of the job."""
    worker = workers("host-0")
    worker.work.start(worker.run, never)
    recorded = worker.journal.record(replace(entry(1), urgency=1))
    assert worker.journal.arrived("host-0", 0)
    assert worker.journal.close(recorded.series_id, 1, NOW)
    assert worker.queues() == ["emergency@host-0"]
    assert worker.ran.wait(PATIENCE_S)
    assert worker.runs == [(recorded.series_id, 1)]


def test_what_waits_for_a_dead_executor_is_put_back(workers):
    """A job in the queue of an executor that died before it took it goes to whoever asks."""
    receiver = workers("receiver")
    with receiver.engine.begin() as connection:
        for series_id, analyser in ((1, "gone-0"), (2, "host-1")):
            receiver.work.enqueue(connection, Job(series_id, 1, analyser=analyser))
    receiver.stop()
    worker = workers("host-1")
    worker.work.start(worker.run, never)
    assert worker.work.reconcile() == [f"{WORKFLOW}-1-1"]
    until(lambda: len(worker.runs) == 2, worker)
    assert sorted(worker.runs) == [(1, 1), (2, 1)]


def test_who_waits_for_what_another_makes_of_it_is_let_go_at_the_end(workers):
    """Work that was given to another while it ran here: its thread does not wait for ever."""
    worker = workers()
    begun, goes_on = threading.Event(), threading.Event()

    def run(series_id, generation):
        begun.set()
        assert goes_on.wait(PATIENCE_S)

    worker.work.start(run, never)
    worker.close_series()
    assert begun.wait(PATIENCE_S)
    with worker.engine.begin() as connection:
        connection.execute(sa.text("UPDATE workflow_status SET owner_xid = 'x', executor_id = 'host-1'"))
    mine = [one for one in threading.enumerate() if one.name.startswith("dbos-executor")]
    goes_on.set()
    worker.work.stop()
    for thread in mine:
        thread.join(PATIENCE_S)
    assert mine
    assert not any(thread.is_alive() for thread in mine)
