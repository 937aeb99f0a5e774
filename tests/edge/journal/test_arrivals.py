from __future__ import annotations

from datetime import timedelta

import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet.edge.journal import SqlJournal, migrate, open_engine, sqlite_url
from millet.edge.journal.arrivals import ALIVE_S, living
from millet.edge.journal.tables import executor
from millet.ports import WorklistQuery

DEAD_UTC = START_UTC + timedelta(seconds=ALIVE_S)
"""When who was heard of at the start is dead, and not a second before."""


class Process:
    """One process's view of the journal."""

    def __init__(self, path):
        self.engine = open_engine(sqlite_url(path))
        migrate(self.engine)
        self.jobs = []
        self.journal = SqlJournal(self.engine, lambda _, job: self.jobs.append(job), MemoryObjects())

    def beat(self, name):
        """An executor is heard of for the first time, at the start."""
        with self.engine.begin() as connection:
            connection.execute(executor.insert().values(executor_id=name, heartbeat_utc=START_UTC))

    def arrived(self, name, after=0, now_utc=START_UTC):
        """The slices that an analyser is told of, by number."""
        told = self.journal.arrived(name, after, now_utc)
        return [int(one.path[3:-4], 16) for one in told]

    def status(self):
        """The only series."""
        (found,) = self.journal.series(WorklistQuery())
        return found


@pytest.fixture
def processes(tmp_path):
    """Make processes on one file."""
    made = []

    def make():
        made.append(Process(tmp_path / "journal.db"))
        return made[-1]

    yield make
    for process in made:
        process.engine.dispose()


def test_two_processes_never_follow_the_same_series(processes):
    """The lease is in the database: who asks second from another process is told nothing."""
    receiver, first, second = processes(), processes(), processes()
    for name in ("host-0", "host-1"):
        receiver.beat(name)
    for number in (1, 2):
        receiver.journal.record(entry(number))
    assert first.arrived("host-0") == [1, 2]
    assert second.arrived("host-1") == []
    receiver.journal.record(entry(3))
    assert second.arrived("host-1") == []
    assert first.arrived("host-0", after=2) == [3]


def test_the_lease_holds_until_the_follower_is_dead(processes):
    """A second before it is still its own; then all of the series is told to the next."""
    process = processes()
    for name in ("host-0", "host-1"):
        process.beat(name)
    process.journal.record(entry(1))
    assert process.arrived("host-0") == [1]
    assert process.arrived("host-1", now_utc=DEAD_UTC - timedelta(seconds=1)) == []
    assert process.arrived("host-1", now_utc=DEAD_UTC) == [1]


def test_the_living_are_those_that_were_heard_of_lately(processes):
    """By the caller's clock."""
    process = processes()
    process.beat("host-0")
    for now_utc, expected in ((DEAD_UTC - timedelta(seconds=1), ["host-0"]), (DEAD_UTC, [])):
        with process.engine.connect() as connection:
            assert connection.execute(living(now_utc)).scalars().all() == expected


def test_asking_again_changes_nothing_and_wakes_nobody(processes):
    """Following is no change of a series: no revision, and no write when there is nothing to take."""
    process, told = processes(), []
    process.beat("host-0")
    process.journal.record(entry(1))
    revision = process.status().revision
    assert process.arrived("host-0") == [1]
    process.journal.watch(lambda: told.append(1))
    assert process.arrived("host-0") == [1]
    assert (told, process.status().revision) == ([], revision)


def test_progress_comes_with_a_revision_of_its_own(processes):
    """Whoever watches sees each step of it, as the newest change."""
    process = processes()
    series_id = process.journal.record(entry(1)).series_id
    for done in (1, 2):
        before = process.status().revision
        process.journal.reached(series_id, "arriving", done, 7)
        (line,) = process.journal.changed(before)
        assert (line.stage, line.windows_done, line.windows_total) == ("arriving", done, 7)
        assert line.revision > before


def test_progress_that_comes_too_late_changes_nothing(processes):
    """A series that has ended is not said to be at work again, nor to have changed."""
    process = processes()
    series_id = process.journal.record(entry(1)).series_id
    process.journal.close(series_id, 1, START_UTC)
    process.journal.park(series_id, 1, "internal-error")
    before = process.status()
    process.journal.reached(series_id, "detect", 3, 7)
    assert process.status() == before
    assert process.journal.changed(before.revision) == []


def test_progress_of_one_series_is_not_that_of_another(processes):
    """Each has its own."""
    process = processes()
    here = process.journal.record(entry(1)).series_id
    process.journal.record(entry(2, series_uid="1.2.9"))
    process.journal.reached(here, "detect", 3, 7)
    found = {one.key.series_uid: one.windows_done for one in process.journal.series(WorklistQuery())}
    assert sorted(found.values()) == [0, 3]
    assert found["1.2.9"] == 0
