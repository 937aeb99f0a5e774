from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fakes import HandClock

from millet.edge.journal import JournalClock, SqlJournal, open_engine
from millet.edge.journal.heartbeat import CONFIRM_S, LEASE_S, Heart, Watch
from millet.edge.journal.tables import executor
from millet.errors import StoreError

PATIENCE_S = 30
APART = timedelta(minutes=5)


def ahead():
    """The clock of a host that is five minutes ahead."""
    return datetime.now(UTC) + APART


@pytest.fixture
def engine(journal_url):
    """An empty journal."""
    made = open_engine(journal_url)
    yield made
    made.dispose()


def age(engine, name, by_s):
    """An executor's last heartbeat is so old, by the clock of the database."""
    then = JournalClock(engine).utc() - timedelta(seconds=by_s)
    with engine.begin() as connection:
        mine = executor.c.executor_id == name
        connection.execute(sa.update(executor).where(mine).values(heartbeat_utc=then))


def names(engine):
    """Who is said to live."""
    with engine.connect() as connection:
        return sorted(connection.execute(sa.select(executor.c.executor_id)).scalars())


def beating(engine, name="host-0", host_utc=ahead):
    """An executor that has said that it lives."""
    heart = Heart(engine, name, JournalClock(engine, host_utc))
    heart.beat()
    return heart


def test_two_hosts_five_minutes_apart_take_nobody_living_for_dead(engine):
    """Heartbeats are of the database's clock, whatever that of the host says."""
    beating(engine, "ahead-0", ahead)
    beating(engine, "behind-0", lambda: datetime.now(UTC) - APART)
    clock = HandClock()
    watch = Watch(engine, clock.monotonic_s)
    for _ in range(3):
        assert watch.strike() == []
        clock.now_s += CONFIRM_S
    assert names(engine) == ["ahead-0", "behind-0"]


def test_the_skew_of_each_host_is_kept(engine):
    """Measured at each heartbeat: the host's clock minus the database's."""
    beating(engine, "ahead-0", ahead)
    heart = beating(engine, "right-0", lambda: datetime.now(UTC))
    journal = SqlJournal(engine, lambda *_: None, None)
    assert journal.skews_s() == {
        "ahead-0": pytest.approx(APART.total_seconds(), abs=5.0),
        "right-0": pytest.approx(0.0, abs=5.0),
    }
    heart.beat()
    assert len(journal.skews_s()) == 2


def test_the_clock_is_the_databases_and_counts_on_by_itself(engine):
    """A host five minutes ahead tells the same time, also after its time of day jumped between two looks."""
    host, seconds = [ahead()], HandClock()
    clock = JournalClock(engine, lambda: host[0], seconds.monotonic_s)
    there = clock.utc()
    assert abs(there - datetime.now(UTC)) < timedelta(seconds=60)
    host[0] -= timedelta(days=1)
    seconds.now_s += 7.0
    assert clock.utc() - there == timedelta(seconds=7)


def test_who_is_silent_is_struck_after_lease_and_confirmation(engine):
    """Not before: within the lease nothing, and then as long as a living one would need to be heard."""
    beating(engine)
    clock = HandClock()
    watch = Watch(engine, clock.monotonic_s)
    age(engine, "host-0", LEASE_S - 5)
    assert watch.strike() == []
    age(engine, "host-0", LEASE_S + 1)
    assert watch.strike() == []
    clock.now_s += CONFIRM_S - 0.1
    assert watch.strike() == []
    clock.now_s += 0.2
    assert watch.strike() == ["host-0"]
    assert names(engine) == []


def test_a_clock_of_the_database_that_jumps_strikes_nobody_who_beats(engine):
    """All heartbeats look old for a moment; whoever is heard again before the confirmation lives."""
    heart, clock = beating(engine), HandClock()
    watch = Watch(engine, clock.monotonic_s)
    age(engine, "host-0", 300)
    assert watch.strike() == []
    heart.beat()
    age(engine, "host-0", 299)
    clock.now_s += CONFIRM_S + 1
    assert watch.strike() == []
    assert names(engine) == ["host-0"]


def test_two_that_watch_strike_once(engine):
    """Of two that find the same one dead, one strikes it."""
    beating(engine)
    age(engine, "host-0", LEASE_S + 1)
    clock = HandClock()
    watches = [Watch(engine, clock.monotonic_s) for _ in range(2)]
    for watch in watches:
        watch.strike()
    clock.now_s += CONFIRM_S + 1
    assert [watch.strike() for watch in watches] == [["host-0"], []]


def test_who_was_frozen_and_goes_on_lives_again(engine):
    """Its next heartbeat writes the row anew."""
    heart = beating(engine)
    with engine.begin() as connection:
        connection.execute(sa.delete(executor))
    heart.beat()
    assert names(engine) == ["host-0"]


def test_a_heart_beats_on_after_the_database_was_away(engine, caplog):
    """Failures are told once and survived; the next beat that is written is heard."""
    beaten, failed = threading.Event(), threading.Event()

    class Told(Heart):
        def beat(self):
            try:
                super().beat()
            except StoreError:
                failed.set()
                raise
            beaten.set()

    def rename(one, other):
        with engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {one} RENAME TO {other}"))

    heart = Told(engine, "host-0", JournalClock(engine), every_s=0.02)
    heart.start()
    rename("executor", "away")
    for _ in range(2):
        failed.clear()
        assert failed.wait(PATIENCE_S)
    rename("away", "executor")
    beaten.clear()
    assert beaten.wait(PATIENCE_S)
    heart.stop()
    assert names(engine) == ["host-0"]
    assert caplog.text.count("no heartbeat") == 1
