from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet.edge.journal import SqlJournal, open_engine
from millet.edge.journal.tables import executor
from millet.ports import WorklistQuery


class Process:
    """One process's view of the journal."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.jobs = []
        self.journal = SqlJournal(self.engine, lambda _, job: self.jobs.append(job), MemoryObjects())

    def beat(self, name):
        """An executor is heard of."""
        with self.engine.begin() as connection:
            connection.execute(executor.insert().values(executor_id=name, heartbeat_utc=START_UTC))

    def strike(self, name):
        """An executor is dead."""
        with self.engine.begin() as connection:
            connection.execute(executor.delete().where(executor.c.executor_id == name))

    def arrived(self, name, after=0):
        """The slices that an analyser is told of, by number."""
        told = self.journal.arrived(name, after)
        return [int(one.path[3:-4], 16) for one in told]

    def status(self):
        """The only series."""
        (found,) = self.journal.series(WorklistQuery())
        return found


@pytest.fixture
def processes(journal_url):
    """Make processes on one database."""
    made = []

    def make():
        made.append(Process(journal_url))
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
    """While it lives it is its own; then all of the series is told to the next."""
    process = processes()
    for name in ("host-0", "host-1"):
        process.beat(name)
    process.journal.record(entry(1))
    assert process.arrived("host-0") == [1]
    assert process.arrived("host-1") == []
    process.strike("host-0")
    assert process.arrived("host-1") == [1]


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


def test_it_is_known_which_titles_own_models_are_wanted(processes):
    """Of series that are under way; the usual model is everybody's."""
    process = processes()
    process.journal.record(entry(1))
    assert process.journal.model_titles() == frozenset()
    made = process.journal.record(replace(entry(2, series_uid="1.2.9"), model_title="CHILD"))
    assert process.journal.model_titles() == {"CHILD"}
    process.journal.close(made.series_id, 1, START_UTC)
    assert process.journal.model_titles() == {"CHILD"}
    process.journal.park(made.series_id, 1, "internal-error")
    assert process.journal.model_titles() == frozenset()


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
