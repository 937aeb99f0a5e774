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
from millet.ports import Flag, Later, Message, Settled

HOUR_S = 3600.0


class Bench:
    """Series of one study, generation after generation."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())
        self.instances = 0

    def commit(self, level, series="1.2.1", recipients=("ward",), source=SOURCE, study=""):
        """One more generation of a series, ended."""
        self.instances += 1
        one = entry(self.instances, series_uid=series, source=source)
        came = self.journal.record(
            replace(one, header=replace(one.header, study_uid=study or one.header.study_uid))
        )
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
    for told in (("notice-a", "aa/bb", "1.2.1"), ("urgent-b", "aa/cc", "1.2.1")):
        taken = bench.journal.take("ward", "one", 60.0)
        assert (taken.kind, taken.path, taken.series_uid) == told
        bench.journal.delivered(taken)


def test_nobody_hears_of_the_canary(bench):
    """Whoever is named: its site is no patient's."""
    bench.commit(CRITICAL, source=SOURCE._replace(site=canary.NAME))
    assert not bench.journal.due("ward")


def told(bench, level, kind, series="1.2.1", recipients=("ward",)):
    """A message about one more generation, for each recipient."""
    bench.commit(level, series, recipients)
    for recipient in recipients:
        message = Message(kind=f"{kind}-{recipient}", path="aa/bb")
        assert bench.settle(bench.journal.due(recipient), level, message, recipient)


def replaced(journal, delivery):
    """Of which studies a delivery says what is old."""
    return [one.is_replaced for one in journal.topics(delivery)]


def test_a_message_is_known_to_be_old_once_there_is_a_newer_one(bench):
    """By its study and its recipient, unless the newer one was given up."""
    told(bench, URGENT, "notice-a", recipients=("ward", "desk"))
    first = {name: bench.journal.take(name, "one", 60.0) for name in ("ward", "desk")}
    told(bench, CRITICAL, "urgent-b")
    assert replaced(bench.journal, first["ward"]) == [True]
    assert replaced(bench.journal, first["desk"]) == [False]
    bench.journal.delivered(first["ward"])
    newer = bench.journal.take("ward", "one", 60.0)
    assert replaced(bench.journal, newer) == [False]
    bench.journal.give_up(newer, "refused")
    assert replaced(bench.journal, first["ward"]) == [False]


def test_a_digest_is_held_up_by_each_of_its_studies_and_says_which_are_new(bench):
    """While it waits for its next try it holds up none of them."""
    journal = bench.journal
    told(bench, URGENT, "notice-a")
    single = journal.take("ward", "one", 60.0)
    bench.commit(NOTABLE)
    bench.commit(URGENT, "1.2.2", study="1.7.2")
    assert bench.settle(journal.due("ward"), URGENT, Message(kind="digest-b", path="aa/cc"))
    assert journal.take("ward", "two", 60.0) is None
    journal.delivered(single)
    digest = journal.take("ward", "two", 60.0)
    assert replaced(journal, digest) == [False, False]
    told(bench, CRITICAL, "urgent-c")
    assert journal.take("ward", "one", 60.0) is None
    journal.postpone(digest, Later(wait_s=600.0))
    assert journal.take("ward", "one", 60.0).kind == "urgent-c-ward"
    assert sorted(replaced(journal, digest)) == [False, True]


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
