"""What the journal says of commitments: the one in memory and the real one alike."""

from __future__ import annotations

from datetime import timedelta

import pytest
from commitments import MemoryCommitments
from fakes import MemorySpool
from instances import SOURCE, START_UTC, entry, header

from millet.core.commitment import Reference, Request
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import Requester

ASKER = Requester("default", "SCANNER")
CT = header(1).sop_class_uid
LATER = START_UTC + timedelta(seconds=60)


def request(*numbers: int, transaction_uid: str = "2.25.1") -> Request:
    """About some slices."""
    references = tuple(Reference(CT, header(n).sop_instance_uid) for n in numbers)
    return Request(transaction_uid=transaction_uid, references=references)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def log(request):
    """Each implementation in turn."""
    if request.param == "memory":
        yield MemoryCommitments()
        return
    engine = open_engine(request.getfixturevalue("new_journal")(request.param))
    yield SqlJournal(engine, lambda _connection, _job: None, MemorySpool())
    engine.dispose()


def test_what_is_journalled_is_kept_with_its_class(log):
    """Of this site alone; a list of any length."""
    for number in range(1, 4):
        log.record(entry(number))
    log.record(entry(4, source=SOURCE._replace(site="other")))
    wanted = {header(n).sop_instance_uid for n in range(1, 1300)}
    kept = {header(n).sop_instance_uid: CT for n in (1, 2, 3)}
    assert log.kept_classes("default", wanted) == kept
    assert log.kept("default", wanted) == frozenset(kept)
    assert log.kept("default", ()) == frozenset()


def test_a_promise_is_due_until_it_is_told(log):
    """With whose it is and of what, in the order in which they were asked."""
    for number, uid in enumerate(["2.25.1", "2.25.2"]):
        asked = request(1, 2, transaction_uid=uid)
        assert log.promised(ASKER, asked, START_UTC + timedelta(seconds=number))
    first, second = log.promises_due(LATER, 120.0)
    assert (first.requester, first.request, first.attempts) == (ASKER, request(1, 2), 0)
    assert first.asked_utc == START_UTC
    log.promise_told(first.promise_id)
    assert [one.promise_id for one in log.promises_due(LATER + timedelta(seconds=121), 1.0)] == [
        second.promise_id
    ]


def test_a_promise_is_given_to_one_at_a_time(log):
    """Another process gets it only when the first one's lease is over."""
    log.promised(ASKER, request(1), START_UTC)
    assert len(log.promises_due(LATER, 120.0)) == 1
    assert log.promises_due(LATER + timedelta(seconds=119), 120.0) == []
    assert len(log.promises_due(LATER + timedelta(seconds=120), 120.0)) == 1


def test_a_promise_is_tried_again_or_given_up(log):
    """Waiting for instances counts as no attempt."""
    log.promised(ASKER, request(1), START_UTC)
    (one,) = log.promises_due(START_UTC, 1.0)
    log.promise_not_told(one.promise_id, "", LATER)
    assert log.promises_due(LATER - timedelta(seconds=1), 1.0) == []
    (one,) = log.promises_due(LATER, 1.0)
    assert one.attempts == 0
    log.promise_not_told(one.promise_id, "nobody there", LATER)
    (one,) = log.promises_due(LATER, 1.0)
    assert one.attempts == 1
    log.promise_not_told(one.promise_id, "nobody there", None)
    assert log.promises_due(LATER + timedelta(days=30), 1.0) == []


def test_a_transaction_may_be_asked_again_but_not_reused(log):
    """The same instances: answered once more. Others under its UID: no. Another's UID is another's."""
    log.promised(ASKER, request(1), START_UTC)
    (one,) = log.promises_due(START_UTC, 1.0)
    log.promise_told(one.promise_id)
    assert not log.promised(ASKER, request(2), LATER)
    assert log.promises_due(LATER, 1.0) == []
    assert log.promised(ASKER, request(1), LATER)
    assert len(log.promises_due(LATER, 1.0)) == 1
    assert log.promised(ASKER._replace(calling_ae="OTHER"), request(2), LATER)


def test_a_question_is_answered_once_asked(log):
    """Nobody can answer what was not asked; a delivery knows its own answer."""
    assert log.answer(7) is None
    log.question(7, "2.25.5", START_UTC)
    assert log.answer(7) is None
    assert not log.heard("2.25.6", kept=True, now_utc=LATER)
    assert log.heard("2.25.5", kept=True, now_utc=LATER)
    assert log.answer(7) is True
    assert log.answer(8) is None


def test_kept_is_not_taken_back(log):
    """Not by a later word about the same transaction, nor by a later question without an answer."""
    log.question(7, "2.25.5", START_UTC)
    log.heard("2.25.5", kept=True, now_utc=LATER)
    assert log.heard("2.25.5", kept=False, now_utc=LATER)
    log.question(7, "2.25.6", LATER)
    assert log.answer(7) is True


def test_failed_may_become_kept(log):
    """The newest question counts while none was answered with kept."""
    log.question(7, "2.25.5", START_UTC)
    log.heard("2.25.5", kept=False, now_utc=LATER)
    assert log.answer(7) is False
    log.question(7, "2.25.6", LATER)
    assert log.answer(7) is None
    log.heard("2.25.6", kept=True, now_utc=LATER)
    assert log.answer(7) is True
