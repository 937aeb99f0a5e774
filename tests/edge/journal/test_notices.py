"""Who must hear of a study, by the journal, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from fakes import MemoryObjects
from instances import SOURCE, START_UTC, entry
from notices import CRITICAL, NOTABLE, UNFLAGGED, URGENT

from millet.core import canary
from millet.core.notification import Ground
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import Flag, Message, Settled

HOUR_S = 3600.0


class Bench:
    """Series of one study, generation after generation."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())
        self.instances = 0

    def commit(self, level, series="1.2.1", recipients=("ward",), source=SOURCE):
        """One more generation of a series, ended."""
        self.instances += 1
        came = self.journal.record(entry(self.instances, series_uid=series, source=source))
        self.journal.close(came.series_id, came.generation, START_UTC)
        work = self.journal.claim(came.series_id, came.generation)
        made = analyses.analysis()
        made = replace(made, triage=replace(made.triage, level=level), generation=work.generation)
        flag = Flag(recipients=recipients, grounds=(Ground(code="lesion", words=f"{series} is {level}"),))
        assert self.journal.commit(work, made, [], ["ward"], flag)

    def settle(self, due, level, message=None, recipient="ward"):
        """A recipient knows a level now."""
        settled = [Settled(due=one, level=level, is_news=True) for one in due]
        return self.journal.settle(recipient, settled, message)


@pytest.fixture
def bench(journal_url):
    """An empty journal."""
    made = Bench(journal_url)
    yield made
    made.engine.dispose()


def test_a_commit_is_due_for_those_that_must_hear_of_it(bench):
    """With the level of the study, its reasons, and what was told before: nothing."""
    bench.commit(URGENT, recipients=("ward", "desk"))
    for recipient in ("ward", "desk"):
        (due,) = bench.journal.due(recipient)
        assert (due.standing.level, due.standing.before, due.standing.told) == (URGENT, None, 0)
        assert due.standing.grounds == (Ground(code="lesion", words="1.2.1 is urgent"),)
    assert not bench.journal.due("nobody")


def test_a_study_is_due_once_whatever_its_series(bench):
    """Its level is the highest of their newest generations, with the reasons of that series."""
    bench.commit(CRITICAL, "1.2.1")
    bench.commit(URGENT, "1.2.2")
    bench.commit(NOTABLE, "1.2.3")
    bench.commit(UNFLAGGED, "1.2.1")
    (due,) = bench.journal.due("ward")
    assert due.standing.level is URGENT
    assert due.standing.grounds[0].words == "1.2.2 is urgent"


def test_what_is_settled_is_due_no_longer_until_the_next_commit(bench):
    """Then with the level that was told, and how often it was told."""
    bench.commit(URGENT)
    assert bench.settle(bench.journal.due("ward"), URGENT)
    assert not bench.journal.due("ward")
    bench.commit(UNFLAGGED)
    (due,) = bench.journal.due("ward")
    assert (due.standing.level, due.standing.before, due.standing.told) == (UNFLAGGED, URGENT, 1)
    assert bench.settle([due], None)
    bench.commit(UNFLAGGED)
    (due,) = bench.journal.due("ward")
    assert (due.standing.before, due.standing.told) == (None, 2)


def test_two_that_tell_at_once_tell_once(bench):
    """The second settles nothing, and makes no message."""
    bench.commit(URGENT)
    due = bench.journal.due("ward")
    assert bench.settle(due, URGENT, Message(kind="notice-a", path="aa/bb"))
    assert not bench.settle(due, URGENT, Message(kind="notice-b", path="aa/cc"))
    assert bench.journal.backlog()["ward"].waiting == 1


def test_a_commit_in_between_is_not_lost(bench):
    """What was read before it settles nothing; what is due then has the level of now."""
    bench.commit(URGENT)
    before = bench.journal.due("ward")
    bench.commit(CRITICAL, "1.2.2")
    assert not bench.settle(before, URGENT, Message(kind="notice-a", path="aa/bb"))
    (due,) = bench.journal.due("ward")
    assert (due.standing.level, due.standing.told) == (CRITICAL, 0)
    assert "ward" not in bench.journal.backlog()


def test_a_message_is_a_delivery_as_any_other(bench):
    """Taken under a lease, of the series that decided; it counts for an hour, the urgent ones do not."""
    bench.commit(URGENT)
    assert bench.settle(bench.journal.due("ward"), URGENT, Message(kind="notice-a", path="aa/bb"))
    bench.commit(CRITICAL)
    assert bench.settle(bench.journal.due("ward"), CRITICAL, Message(kind="urgent-b", path="aa/cc"))
    assert (bench.journal.sent("ward", HOUR_S), bench.journal.sent("ward", -1.0)) == (1, 0)
    assert bench.journal.sent("desk", HOUR_S) == 0
    taken = [bench.journal.take("ward", "one", 60.0) for _ in range(2)]
    assert [(one.kind, one.path, one.series_uid) for one in taken] == [
        ("notice-a", "aa/bb", "1.2.1"),
        ("urgent-b", "aa/cc", "1.2.1"),
    ]


def test_nobody_hears_of_the_canary(bench):
    """Whoever is named: its site is no patient's."""
    bench.commit(CRITICAL, source=SOURCE._replace(site=canary.NAME))
    assert not bench.journal.due("ward")


def test_how_often_a_study_was_told_is_known_of_each_message(bench):
    """So that one which a newer replaced is known to be old; who was told nothing knows of none."""
    bench.commit(URGENT)
    assert bench.settle(bench.journal.due("ward"), URGENT, Message(kind="notice-a", path="aa/bb"))
    message = bench.journal.take("ward", "one", 60.0)
    assert bench.journal.told(message) == 1
    bench.commit(CRITICAL)
    assert bench.settle(bench.journal.due("ward"), CRITICAL, Message(kind="urgent-b", path="aa/cc"))
    assert bench.journal.told(message) == 2
    assert bench.journal.told(replace(message, destination="desk")) == 0


def test_the_instances_of_a_message_are_those_of_the_series_that_decided(bench):
    """By class and UID, each once, whatever the generation in which it came."""
    bench.commit(URGENT, "1.2.1")
    bench.commit(UNFLAGGED, "1.2.2")
    bench.commit(URGENT, "1.2.1")
    assert bench.settle(bench.journal.due("ward"), URGENT, Message(kind="notice-a", path="aa/bb"))
    images = bench.journal.images(bench.journal.take("ward", "one", 60.0))
    kept = [entry(number, series_uid="1.2.1").header for number in (1, 3)]
    expected = sorted((one.sop_class_uid, one.sop_instance_uid) for one in kept)
    assert sorted(map(tuple, images)) == expected
