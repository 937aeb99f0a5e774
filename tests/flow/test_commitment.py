from __future__ import annotations

from dataclasses import replace

import pytest
from commitments import MemoryCommitments, MemoryPeers
from fakes import HandClock
from instances import START_UTC, ct_file, entry, header
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from millet.codec import commitment
from millet.core.commitment import NO_SUCH_INSTANCE, Reference, Request, Verdict
from millet.core.retry import Patience
from millet.errors import StoreError
from millet.flow.commitment import Promises, Questions
from millet.ports import Delivery, Requester

ASKER = Requester("default", "SCANNER")
CT = header(1).sop_class_uid
PATIENCE = Patience(first_s=5.0, longest_s=600.0, give_up_s=3600.0)


def on_the_wire(dataset: Dataset) -> bytes:
    """In implicit VR little endian."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def asked_for(*numbers: int) -> bytes:
    """The data set of an N-ACTION about some slices."""
    references = tuple(Reference(CT, header(n).sop_instance_uid) for n in numbers)
    return on_the_wire(commitment.request(Request(transaction_uid="2.25.1", references=references)))


class Provider:
    """Promises over a journal in memory, with what was said."""

    def __init__(self) -> None:
        self.log, self.peers, self.clock, self.said = MemoryCommitments(), MemoryPeers(), HandClock(), []
        self.promises = Promises(
            self.log,
            self.peers,
            PATIENCE,
            self.clock,
            lambda *facts: self.said.append(facts),
            grace_s=30.0,
        )

    def ask(self, *numbers, action=1, asker=ASKER):
        """An N-ACTION comes."""
        return self.promises.asked(asker, action, asked_for(*numbers))

    def after(self, seconds):
        """Time passes, and a step."""
        self.clock.now_s += seconds
        return self.promises.step(lambda: 0.5)


@pytest.fixture
def provider():
    """With slices 1 and 2 durable."""
    made = Provider()
    made.log.record(entry(1))
    made.log.record(entry(2))
    return made


def test_what_is_kept_is_told_at_once(provider):
    """The next step answers with every instance, once."""
    assert provider.ask(1, 2) == 0x0000
    assert provider.after(0.0) == 1
    ((title, verdict),) = provider.peers.told
    assert (title, verdict.transaction_uid, len(verdict.kept), verdict.failed) == ("SCANNER", "2.25.1", 2, ())
    assert provider.after(10_000.0) == 0
    assert [what for what, *_ in provider.said] == ["asked", "told"]


def test_an_instance_that_is_journalled_a_moment_later_is_promised(provider):
    """It was acknowledged: saying that it failed would have the sender send it again for nothing."""
    provider.ask(1, 3)
    assert provider.after(0.0) == 0
    provider.log.record(entry(3))
    assert provider.after(1.0) == 1
    assert provider.peers.told[0][1].failed == ()


def test_what_is_not_kept_is_said_when_nothing_can_be_on_its_way(provider):
    """No promise of what is not there."""
    provider.ask(1, 3)
    for _ in range(29):
        assert provider.after(1.0) == 0
    assert provider.after(1.0) == 1
    verdict = provider.peers.told[0][1]
    assert verdict.failed == ((Reference(CT, header(3).sop_instance_uid), NO_SUCH_INSTANCE),)
    assert verdict.event_type == 2


def test_a_requester_that_is_away_is_told_when_it_is_back(provider):
    """Again and again with growing waits; what is told is what is so then."""
    provider.peers.down = True
    provider.ask(1)
    for wait in (0.0, 5.0, 10.0, 20.0):
        assert provider.after(wait) == 0
    provider.peers.down = False
    assert provider.after(39.0) == 0
    assert provider.after(1.0) == 1
    assert [what for what, *_ in provider.said] == ["asked", *["retried"] * 4, "told"]


def test_a_requester_that_never_comes_back_is_given_up(provider):
    """And it is said."""
    provider.peers.down = True
    provider.ask(1)
    provider.after(0.0)
    provider.after(3601.0)
    assert provider.said[-1] == ("dead", "SCANNER", 1, "nobody there")
    provider.peers.down = False
    assert provider.after(10_000.0) == 0


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda p: p.ask(1, action=2), 0x0123),
        (lambda p: p.promises.asked(ASKER, 1, b""), 0x0115),
        (lambda p: p.ask(1, asker=Requester("default", "NOBODY")), 0x0110),
        (lambda p: p.ask(1) or p.ask(1, 2), 0x0131),
    ],
    ids=["another action", "no data", "nobody knows where it listens", "a transaction UID used twice"],
)
def test_what_cannot_be_promised_is_refused(provider, ask, status):
    """With a status that says why; nothing follows."""
    assert ask(provider) == status
    assert len(provider.log.promises) <= 1


def test_a_promise_needs_the_journal(provider, monkeypatch):
    """Without it the requester is told to ask again: what is not durable is not promised."""

    def failing(*_):
        raise StoreError("the journal failed")

    monkeypatch.setattr(provider.log, "promised", failing)
    assert provider.ask(1) == 0x0110


DELIVERY = Delivery(
    delivery_id=7,
    destination="pacs",
    kind="sr",
    path="aa/bb",
    sop_instance_uid=header(1).sop_instance_uid,
    site="default",
    study_uid="1.2",
    series_uid="1.3",
    generation=1,
    created_utc=START_UTC,
    attempts=0,
)


def verdict(uid: str, *, kept: bool = True) -> bytes:
    """An N-EVENT-REPORT about slice 1."""
    one = Reference(CT, header(1).sop_instance_uid)
    told = Verdict(transaction_uid=uid, kept=(one,)) if kept else None
    told = told or Verdict(transaction_uid=uid, kept=(), failed=((one, 0x0112),))
    return on_the_wire(commitment.report(told))


@pytest.fixture
def peers():
    """Who is asked."""
    return MemoryPeers()


@pytest.fixture
def questions(peers):
    """Transactions 2.25.1, 2.25.2, ..."""
    uids = (f"2.25.{n}" for n in range(1, 10))
    return Questions(MemoryCommitments(), peers, HandClock(), lambda: next(uids))


@pytest.mark.parametrize("kept", [True, False])
def test_an_answer_that_comes_later_is_heard(questions, peers, kept):
    """On an association of its own, through whoever receives it."""
    questions.ask(DELIVERY, ct_file(1))
    ((destination, asked),) = peers.asked
    assert (destination, asked.references) == ("pacs", (Reference(CT, header(1).sop_instance_uid),))
    assert questions.answered(DELIVERY) is None
    assert questions.heard(verdict(asked.transaction_uid, kept=kept)) == 0x0000
    assert questions.answered(DELIVERY) is kept
    assert questions.answered(replace(DELIVERY, delivery_id=8)) is None


def test_an_answer_may_come_with_the_question(questions, peers):
    """The question is journalled before it is asked, so that its answer finds it."""
    peers.answers = [verdict("2.25.1")]
    questions.ask(DELIVERY, ct_file(1))
    assert peers.statuses == [0x0000]
    assert questions.answered(DELIVERY) is True


def test_answers_to_what_was_never_asked_change_nothing(questions):
    """Somebody else's transaction, and noise."""
    questions.ask(DELIVERY, ct_file(1))
    assert questions.heard(verdict("2.25.99")) == 0x0115
    assert questions.heard(b"noise") == 0x0115
    assert questions.answered(DELIVERY) is None
