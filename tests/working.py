"""Executors on one database, for tests of durable work."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fakes import MemoryObjects
from instances import entry

from millet.edge.journal import DurableWork, JournalClock, SqlJournal, open_engine, sqlite_url
from millet.edge.journal.durable import PROTOCOL
from millet.edge.journal.heartbeat import LEASE_S, Heart
from millet.edge.journal.migrating import migrate
from millet.edge.journal.tables import executor

PATIENCE_S = 30
NOW = datetime.now(UTC)


def never(series_id, generation):
    """For work that must not be given up."""
    raise AssertionError(f"{series_id}, {generation} was given up")


def until(reached, worker, patience_s=PATIENCE_S):
    """Reconcile until something is reached; fail when it takes too long."""
    deadline_s = time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < deadline_s, worker.statuses()
        worker.work.reconcile()
        worker.ran.wait(0.05)  # let the database be written by somebody else, too


def beat(worker, executor_id):
    """Another executor lives."""
    Heart(worker.engine, executor_id, JournalClock(worker.engine)).beat()


class Worker:
    """One process's view: journal and durable work on the same file."""

    def __init__(self, url, executor_id="host-0", max_attempts=10, version=PROTOCOL, titles=("",)):
        self.engine = open_engine(url)
        migrate(self.engine)
        self.work = DurableWork(self.engine, executor_id, max_attempts, version=version, titles=titles)
        self.journal = SqlJournal(self.engine, self.work.enqueue, MemoryObjects())
        self.ran = threading.Event()
        self.runs = []

    @property
    def table(self):
        """Where the engine keeps the work."""
        return "dbos.workflow_status" if self.engine.dialect.name == "postgresql" else "workflow_status"

    def silence(self, executor_id):
        """An executor was heard of last before its lease."""
        then = datetime.now(UTC) - timedelta(seconds=LEASE_S + 1)
        with self.engine.begin() as connection:
            mine = executor.c.executor_id == executor_id
            connection.execute(sa.update(executor).where(mine).values(heartbeat_utc=then))

    def run(self, series_id, generation):
        """Note what is run."""
        self.runs.append((series_id, generation))
        self.ran.set()

    def close_series(self, number=1):
        """Have one series closed, with its job."""
        recorded = self.journal.record(entry(number))
        assert self.journal.close(recorded.series_id, recorded.generation, NOW)
        return recorded.series_id

    def statuses(self):
        """What the engine says of the work."""
        with self.engine.connect() as connection:
            return connection.execute(
                sa.text(f"SELECT workflow_uuid, status, executor_id FROM {self.table} ORDER BY 1")
            ).all()

    def queues(self):
        """Where the work waits or waited."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(f"SELECT queue_name FROM {self.table}")).scalars())

    def stop(self):
        """As at the end of a process."""
        self.work.stop()
        self.engine.dispose()


@pytest.fixture
def workers(tmp_path):
    """Make workers on one database; all are stopped at the end."""
    made = []

    def make(executor_id="host-0", max_attempts=10, url=None, version=PROTOCOL, titles=("",)):
        url = url or sqlite_url(tmp_path / "journal.db")
        made.append(Worker(url, executor_id, max_attempts, version, titles))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()
