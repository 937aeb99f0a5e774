"""What was just written is read from memory, once, and as if it had been read from the disk."""

from __future__ import annotations

import pytest
from instances import SOURCE, START_UTC

from millet.edge.store import LogSpool, segment
from millet.edge.store.fresh import Fresh
from millet.ports import Kept, Offer, Stored


def commit(writer, number, *, with_head=True):
    """Instance `number`, with or without its head."""
    body = b"instance %d " % number * 100
    writer.begin(Offer(SOURCE, "1.2", f"1.2.{number}", "1.2.840.10008.1.2.1", 7), START_UTC)
    writer.write(body)
    writer.commit(body[:10] if with_head else b"")


def kept(head=b"head"):
    """Some record."""
    return Kept(Stored("a@1+2", "0", 2), Offer(SOURCE, "1", "2", "3", 0), START_UTC, 4096, head)


@pytest.fixture
def spool(tmp_path):
    """One that a process holds."""
    made = LogSpool(tmp_path / "spool", "one")
    made.hold()
    yield made
    made.let_go()


def read(spool, after=0):
    """All records of its only segment."""
    ((name, upto),) = spool.readable().items()
    return list(spool.kept(name, after, upto))


def test_what_is_at_hand_is_what_lies_on_the_disk(spool):
    """The same facts, whichever of the two they come from, and the head once."""
    writer = spool.writer()
    for number in range(5):
        commit(writer, number)
    first, second = read(spool), read(spool)
    assert [one.head for one in first] == [b"instance %d" % number for number in range(5)]
    assert [one.head for one in second] == [b""] * 5
    assert [one[:4] for one in first] == [one[:4] for one in second]


def test_what_is_at_hand_is_not_read(spool, monkeypatch):
    """The disk is left alone."""
    writer = spool.writer()
    commit(writer, 1)
    monkeypatch.setattr(segment, "_record", None)
    assert len(read(spool)) == 1


def test_some_at_hand_and_some_not(spool):
    """In any order, none left out and none twice; nothing is left at hand."""
    writer = spool.writer()
    for number, with_head in enumerate([True, False, True, True, False]):
        commit(writer, number, with_head=with_head)
    assert [one.offer.sop_instance_uid for one in read(spool)] == [f"1.2.{number}" for number in range(5)]
    assert not any(one.head for one in read(spool))


def test_there_is_an_end_to_what_is_at_hand():
    """What does not fit is not remembered; what was taken makes room."""
    mine = Fresh(most=2)
    for at in range(3):
        mine.add("a", at, kept())
    assert [mine.take("a", at) is not None for at in range(3)] == [True, True, False]
    assert mine.take("a", 0) is None
    mine.add("a", 9, kept())
    assert mine.take("a", 9) == kept()
