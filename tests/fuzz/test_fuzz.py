"""A short, seeded slice of what `make fuzz` does for as long as one likes."""

from __future__ import annotations

import contextlib
import threading

import fuzz_lines
import fuzz_objects
import line
import pytest
from fuzz_objects import Fault, faults, looked
from mutations import mutated_line, pdus
from seeds import conversations, objects

from millet.codec.ct import read_header
from millet.edge.decoding.pool import Decoders
from millet.edge.scp import Behind, Listen, StorageScp
from millet.errors import UnfitSeries

ROUNDS = 1500
ASSOCIATIONS = 150


@pytest.fixture(scope="module")
def decoders():
    """A decoder in its own process, as the service has it."""
    made = Decoders(1)
    yield made
    made.stop()


@pytest.mark.parametrize("name", objects())
def test_the_corpus_is_read(name, decoders):
    """Seeds are slices; what once broke something is a plain verdict by now."""
    found = looked(objects()[name], decoders.decode)
    assert not isinstance(found, Fault), found
    assert found is True or name.startswith("found-")


def test_mutated_objects_are_slices_or_plain_verdicts(decoders):
    """Whatever is done to the bytes, nothing but a verdict comes of them, within time and memory."""
    found = list(fuzz_objects.fuzz(7, decoders.decode, rounds=ROUNDS))
    assert faults(found) == []
    assert ROUNDS / 4 < sum(one is True for one in found) < ROUNDS * 0.95


def test_a_fault_would_be_noticed():
    """A decoder that raises what it may not, and one that does not come back, are faults."""

    def raises(_coded):
        raise KeyError("x")

    def hangs(_coded):
        threading.Event().wait()

    compressed = objects()["80.dcm"]
    fuzz_objects.LONGEST_S, longest_s = 0.1, fuzz_objects.LONGEST_S
    try:
        assert [looked(compressed, wrong).what for wrong in (raises, hangs)] == [
            "KeyError: 'x'",
            "_TooLong: ",
        ]
    finally:
        fuzz_objects.LONGEST_S = longest_s


class Reception:
    """Reads the header of each instance, as the service does, and keeps nothing."""

    def __init__(self):
        self.body = b""

    def begin(self, offer):
        """As ports.Reception."""
        self.body = b""

    def write(self, piece):
        """As ports.Reception."""
        self.body += piece

    def end(self):
        """As ports.Reception."""
        with contextlib.suppress(UnfitSeries):
            read_header(self.body)

    def abandon(self):
        """As ports.Reception."""

    def close(self):
        """As ports.Reception."""


def test_mutated_associations_leave_the_neighbour_alone(caplog):
    """Conversations that break every rule beside an honest one: all that it sends is acknowledged."""
    behind = Behind(
        site=lambda _: "default", judge=lambda _: None, reception=Reception, came=lambda _came: None
    )
    scp = StorageScp(Listen(host="127.0.0.1", port=0), behind)
    scp.start()
    neighbour = fuzz_lines.Neighbour(scp.port, pace_s=0.0)
    neighbour.start()
    sent = list(fuzz_lines.fuzz(scp.port, 3, rounds=ASSOCIATIONS))
    neighbour.stop()
    with line.Sender(scp.port, ((line.VERIFICATION, line.IMPLICIT),)) as sender:
        sender.release()
    scp.stop()
    assert len(sent) == ASSOCIATIONS
    assert neighbour.failures == []
    assert len(neighbour.acknowledged) >= fuzz_lines.MOST_IN_A_SERIES
    assert [record.message for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


def test_conversations_are_cut_where_their_pdus_begin():
    """The parts of each are the whole, and mutating them is the same again with the same seed."""
    import random

    known = list(conversations().values())
    for whole in known:
        assert b"".join(pdus(whole)) == whole
        assert pdus(whole)[0][0] == line.ASSOCIATE_RQ
        assert mutated_line(random.Random(5), whole, known) == mutated_line(random.Random(5), whole, known)
