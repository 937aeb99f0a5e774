"""What archives are asked to send for comparison only, as receivers and analysers see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import MemoryObjects
from instances import START_UTC

from millet.edge.journal import SqlJournal, open_engine, snapshot
from millet.ports import Errand, SeriesName

NAME = SeriesName("1.2.3", "1.2.3.4")
ONE = Errand(
    name="one",
    site="north",
    series=NAME,
    sop_instance_uids=["1.1", "1.2"],
    most_bytes=500,
    until_utc=START_UTC + timedelta(seconds=20),
)
LATE_UTC = START_UTC + timedelta(seconds=21)
LONG_AGO_UTC = START_UTC - timedelta(hours=1)


@pytest.fixture
def engine(journal_url):
    """An empty journal's."""
    made = open_engine(journal_url)
    yield made
    made.dispose()


@pytest.fixture
def journal(engine):
    """That journal."""
    return SqlJournal(engine, lambda *_: None, MemoryObjects())


def test_an_instance_is_waited_for_by_who_asked_until_then(journal):
    """Not one of another UID or site, nor when time is up."""
    journal.begin_errand(ONE)
    assert journal.wanted("north", "1.1", START_UTC) == (NAME, 500, False)
    assert journal.wanted("north", "1.3", START_UTC) is None
    assert journal.wanted("south", "1.1", START_UTC) is None
    assert journal.wanted("north", "1.1", LATE_UTC) is None
    assert not journal.came("north", "1.1", "a", LATE_UTC)
    assert not journal.came("north", "1.3", "a", START_UTC)
    assert journal.came("north", "1.1", "a", START_UTC)
    assert journal.wanted("north", "1.1", START_UTC) == (NAME, 500, True)
    assert not journal.came("north", "1.1", "b", START_UTC)
    assert journal.paths_of("one") == {"1.1": "a"}


def test_what_two_ask_for_lies_there_until_both_are_done(journal):
    """One may have some of it before the other asks."""
    journal.begin_errand(ONE)
    assert journal.came("north", "1.1", "a", START_UTC)
    journal.begin_errand(replace(ONE, name="two"))
    assert not journal.wanted("north", "1.1", START_UTC).is_here
    assert journal.came("north", "1.1", "b", START_UTC)
    assert journal.came("north", "1.2", "c", START_UTC)
    assert journal.paths_of("one") == {"1.1": "a", "1.2": "c"}
    assert journal.paths_of("two") == {"1.1": "b", "1.2": "c"}
    assert journal.end_errand("one", LONG_AGO_UTC) == ["a"]
    assert journal.end_errand("two", LONG_AGO_UTC) == ["b", "c"]
    assert journal.wanted("north", "1.1", START_UTC) is None


def test_who_died_is_forgotten_with_the_next(journal):
    """Once its time is long over."""
    journal.begin_errand(ONE)
    assert journal.came("north", "1.1", "a", START_UTC)
    assert journal.end_errand("other", START_UTC) == []
    assert journal.end_errand("other", LATE_UTC) == ["a"]
    assert journal.paths_of("one") == {}


def test_no_errand_is_in_a_backup(journal, engine):
    """Whoever starts on it asks anew."""
    journal.begin_errand(ONE)
    assert {table for table, _ in snapshot.dump(engine)} == {"counter"}
