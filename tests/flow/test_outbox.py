from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from fakes import HandClock, MemoryJournal, MemoryObjects
from instances import START_UTC, entry

from millet.core.retry import Patience
from millet.errors import DeliveryError
from millet.flow.outbox import Outbox
from millet.ports import KeptObject

PATIENCE = Patience(first_s=5, longest_s=60, give_up_s=300)


class Peer:
    """A destination that keeps what it gets, or fails as told."""

    def __init__(self):
        self.got = []
        self.error = None

    def deliver(self, delivery, encoded):
        """As ports.Destination."""
        if self.error:
            raise self.error
        self.got.append((delivery.kind, encoded))


class Bench:
    """An outbox with one analysed series, whose SR and SEG are to reach two peers."""

    def __init__(self):
        self.journal, self.objects, self.clock = MemoryJournal(), MemoryObjects(), HandClock()
        self.peers = {"folder": Peer(), "PACS": Peer()}
        self.told = []
        self.outbox = Outbox(self.journal, self.objects, self.peers, PATIENCE, self.clock)
        recorded = self.journal.record(entry(1))
        self.journal.close(recorded.series_id, 1, START_UTC)
        kept = [
            KeptObject(kind=kind, path=self.objects.write(kind.encode()).path, deliver=True)
            for kind in ("sr", "seg")
        ]
        made = replace(analyses.analysis(), created_utc=START_UTC)
        self.journal.commit(self.journal.claim(recorded.series_id, 1), made, kept, list(self.peers))

    def after(self, seconds):
        """Let time pass, and take a step without jitter."""
        self.clock.now_s += seconds
        return self.outbox.step(lambda: 0.5, lambda what, d, why: self.told.append((what, d.kind, why)))


@pytest.fixture
def bench():
    """Four deliveries that are due."""
    return Bench()


def test_everything_reaches_everybody_once(bench):
    """Each object is delivered to each destination, and not again."""
    assert bench.after(0) == 4
    assert bench.peers["PACS"].got == bench.peers["folder"].got == [("sr", b"sr"), ("seg", b"seg")]
    assert bench.after(1000) == 0


def test_one_destination_does_not_hold_up_another(bench):
    """While one peer is away, the other gets its objects."""
    bench.peers["PACS"].error = DeliveryError("away", retryable=True)
    assert bench.after(0) == 2
    assert len(bench.peers["folder"].got) == 2


def test_a_peer_that_comes_back_gets_its_objects(bench):
    """Tries wait longer each time, and succeed when the peer is back."""
    bench.peers["PACS"].error = DeliveryError("away", retryable=True)
    bench.after(0)
    bench.after(4.9)
    assert len(bench.told) == 4
    bench.after(0.2)
    assert [what for what, _, _ in bench.told[4:]] == ["retried", "retried"]
    bench.peers["PACS"].error = None
    assert bench.after(9.9) == 0
    assert bench.after(0.2) == 2


def test_a_refusal_is_a_dead_letter_at_once(bench):
    """What cannot get better is not tried again, and stays visible with its reason."""
    bench.peers["PACS"].error = DeliveryError("not supported", retryable=False)
    bench.after(0)
    assert [letter.last_error for letter in bench.journal.dead_letters()] == ["not supported"] * 2
    bench.peers["PACS"].error = None
    assert bench.after(10_000) == 0


def test_patience_has_an_end(bench):
    """After the stated time a delivery is given up."""
    bench.peers["PACS"].error = DeliveryError("away", retryable=True)
    bench.after(299)
    assert bench.journal.dead_letters() == []
    bench.after(10)
    assert [what for what, _, _ in bench.told[-2:]] == ["dead", "dead"]
    assert len(bench.journal.dead_letters()) == 2


def test_nothing_is_given_up_for_the_time_that_we_were_down(bench):
    """After a long stop old deliveries are tried for a while again, since the peer may have been down too."""
    bench.clock.now_s += 10 * PATIENCE.give_up_s
    bench.outbox = Outbox(bench.journal, bench.objects, bench.peers, PATIENCE, bench.clock)
    bench.peers["PACS"].error = DeliveryError("away", retryable=True)
    bench.after(0)
    assert bench.journal.dead_letters() == []
    bench.after(PATIENCE.longest_s)
    assert len(bench.journal.dead_letters()) == 2


def test_an_error_of_one_delivery_does_not_stop_the_others(bench):
    """A destination that breaks is a failed try, told without its words."""
    bench.peers["PACS"].error = ValueError("Doe^Jane")
    assert bench.after(0) == 2
    assert ("retried", "sr", "it failed: ValueError") in bench.told


def test_a_destination_that_is_configured_no_longer_is_waited_for(bench):
    """Deliveries to a destination that is gone from the settings wait for it to come back."""
    gone = bench.peers.pop("PACS")
    bench.after(0)
    bench.peers["PACS"] = gone
    assert bench.after(6) == 2


def test_a_stop_leaves_the_rest_in_the_queue(bench):
    """After a stop nothing more is sent; the next start sends it."""
    bench.outbox.stop()
    assert bench.after(0) == 0
    bench.outbox = Outbox(bench.journal, bench.objects, bench.peers, PATIENCE, bench.clock)
    assert bench.after(0) == 4
