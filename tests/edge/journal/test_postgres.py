from __future__ import annotations

import signal
import subprocess
import sys
import threading
import traceback

import pytest
from postgres import PASSWORD
from working import PATIENCE_S, never, until

from millet.edge.journal.base import Job
from millet.errors import StoreError

ANALYSER = """
import sys, time
from millet.edge.journal import DurableWork, open_engine

def run(series_id, generation):
    print("begun", series_id, flush=True)
    time.sleep(600)

work = DurableWork(open_engine(sys.argv[1]), sys.argv[2])
work.start(run, run)
print("ready", flush=True)
while True:
    time.sleep(1)
    work.reconcile()
"""


def analyser(url, name):
    """An analyser in a process of its own, which never ends its work."""
    command = [sys.executable, "-c", ANALYSER, url, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_one_analyser_is_killed_for_good_and_the_other_does_its_jobs(workers, postgres):
    """What it had begun, what waited for it, and what nobody had yet: all of it."""
    url = postgres.url(postgres.with_work())
    worker = workers("host-1", url=url)
    gone = analyser(url, "host-0")
    with worker.engine.begin() as connection:
        for series_id in (1, 2, 3):
            worker.work.enqueue(connection, Job(series_id, 1, analyser="host-0"))
        worker.work.enqueue(connection, Job(4, 1, urgency=1, analyser="host-0"))
    assert {gone.stdout.readline() for _ in range(2)} <= {f"begun {n}\n" for n in (1, 2, 3, 4)}
    worker.work.start(worker.run, never)
    assert worker.work.reconcile() == []
    gone.send_signal(signal.SIGKILL)
    gone.wait()
    gone.stdout.close()
    until(lambda: len(worker.runs) == 4, worker, patience_s=90)
    assert sorted(worker.runs) == [(n, 1) for n in (1, 2, 3, 4)]


def test_a_restart_of_the_database_stops_nothing(workers, postgres):
    """Work in hand ends, and what is written afterwards is done: everything connects again by itself."""
    url = postgres.url(postgres.with_work())
    worker = workers(url=url)
    begun, goes_on, done = threading.Event(), threading.Event(), []

    def run(series_id, generation):
        begun.set()
        assert goes_on.wait(PATIENCE_S)
        done.append(series_id)

    worker.work.start(run, never)
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(1, 1))
    assert begun.wait(PATIENCE_S)
    with worker.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")  # this server tells success before it is durable
    postgres.stop("immediate")
    with pytest.raises(StoreError) as told:
        worker.work.reconcile()
    goes_on.set()
    postgres.start()
    assert PASSWORD not in "".join(traceback.format_exception(told.value))
    with worker.engine.begin() as connection:
        worker.work.enqueue(connection, Job(2, 1))
    until(lambda: set(done) == {1, 2}, worker)  # what was in hand may be done twice
    until(lambda: worker.work.reconcile() == [], worker)
