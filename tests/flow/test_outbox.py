from __future__ import annotations

import threading
from dataclasses import replace

import analyses
import pytest
from fakes import HandClock, MemoryJournal, MemoryObjects
from instances import START_UTC, entry

from millet.core.breaker import FAILURES, Position
from millet.core.retry import Patience
from millet.errors import DeliveryError, Replaced, StoreError
from millet.flow.outbox import LONGEST_PROBE_S, Outbox, Route
from millet.ports import KeptObject, Selection

PATIENCE = Patience(first_s=5, longest_s=60, give_up_s=300)
AWAY = DeliveryError("away", retryable=True, away=True)
TROUBLE = DeliveryError("0xA700", retryable=True)
REFUSAL = DeliveryError("0xA900", retryable=False)


class Peer:
    """A destination that keeps what it gets, or fails as told; and a verifier that says what it is told."""

    limit_s = 100.0

    def __init__(self):
        self.got, self.asked = [], []
        self.tried = 0
        self.error = None
        self.cannot_say = None
        self.keeps = None

    def deliver(self, delivery, encoded):
        """As ports.Destination."""
        self.tried += 1
        if self.error:
            raise self.error
        self.got.append((delivery.kind, encoded))

    def ask(self, delivery, encoded):
        """As ports.Verifier."""
        self.asked.append(encoded)
        if self.cannot_say:
            raise self.cannot_say

    def answered(self, _delivery):
        """As ports.Verifier."""
        return self.keeps


class Bench:
    """Outboxes for two peers, and series whose SR and SEG are to reach both."""

    def __init__(self, *, verify=False):
        self.clock = HandClock()
        self.journal, self.objects = MemoryJournal(self.clock), MemoryObjects()
        self.peers = {"folder": Peer(), "PACS": Peer()}
        self.told = []
        self.verify = verify
        self.outboxes = {name: self.outbox(name) for name in self.peers}
        self.analysed(1)

    @property
    def pacs(self):
        """The peer that fails in these tests."""
        return self.peers["PACS"]

    def outbox(self, name, holder="one"):
        """An outbox as a process makes it when it starts."""
        peer = self.peers[name]
        verifier = peer if self.verify else None
        route = Route(name=name, destination=peer, patience=PATIENCE, verifier=verifier)
        return Outbox(route, self.journal, self.objects, self.clock, holder, lambda: 0.5)

    def analysed(self, number):
        """One series more."""
        recorded = self.journal.record(entry(number, series_uid=f"1.2.{number}"))
        self.journal.close(recorded.series_id, 1, START_UTC)
        kept = [
            KeptObject(kind=kind, path=self.objects.write(kind.encode()).path, deliver=True)
            for kind in ("sr", "seg")
        ]
        made = replace(analyses.analysis(), created_utc=START_UTC)
        self.journal.commit(self.journal.claim(recorded.series_id, 1), made, kept, list(self.peers))

    def after(self, seconds, name="PACS"):
        """Let time pass, and have one outbox take a step."""
        self.clock.now_s += seconds
        return self.outboxes[name].step(lambda what, d, why: self.told.append((what, d.kind, why)))

    def dead(self):
        """Why deliveries were given up."""
        return [letter.last_error for letter in self.journal.dead_letters(Selection())]


@pytest.fixture
def bench():
    """Two deliveries that are due at each of two peers."""
    return Bench()


@pytest.fixture
def asking():
    """The same, where what was sent is to be verified."""
    return Bench(verify=True)


def test_everything_reaches_everybody_once(bench):
    """Each object is delivered to each destination, and not again."""
    assert [bench.after(0, name) for name in bench.peers] == [2, 2]
    assert bench.pacs.got == bench.peers["folder"].got == [("sr", b"sr"), ("seg", b"seg")]
    assert [bench.after(1000, name) for name in bench.peers] == [0, 0]
    assert bench.dead() == []


def test_a_destination_that_hangs_does_not_hold_up_another(bench):
    """While one peer's delivery has not come back, the other peer gets everything."""
    entered, leave = threading.Event(), threading.Event()
    take = bench.pacs.deliver

    def hang(delivery, encoded):
        entered.set()
        assert leave.wait(10)
        take(delivery, encoded)

    bench.pacs.deliver = hang
    thread = threading.Thread(target=bench.after, args=(0,))
    thread.start()
    assert entered.wait(10)
    assert bench.after(0, "folder") == 2
    assert bench.pacs.got == []
    leave.set()
    thread.join()
    assert len(bench.pacs.got) == 2


def test_two_processes_send_nothing_twice_at_once(bench):
    """What one has in hand the other leaves alone, until the lease of a process that died has ended."""
    entered, leave = threading.Event(), threading.Event()
    take = bench.pacs.deliver

    def hang(delivery, encoded):
        entered.set()
        assert leave.wait(10)
        take(delivery, encoded)

    bench.pacs.deliver = hang
    thread = threading.Thread(target=bench.after, args=(0,))
    thread.start()
    assert entered.wait(10)
    bench.pacs.deliver = take
    other = bench.outbox("PACS", holder="two")
    assert other.step(lambda *_: None) == 1
    leave.set()
    thread.join()
    assert sorted(bench.pacs.got) == [("seg", b"seg"), ("sr", b"sr")]


def test_trouble_waits_longer_each_time(bench):
    """Tries wait twice as long each time, and succeed when the peer is well again."""
    bench.pacs.error = TROUBLE
    bench.after(0)
    bench.after(4.9)
    assert bench.pacs.tried == 2
    bench.after(0.2)
    assert bench.pacs.tried == 3  # the third failure in a row: the breaker opens
    bench.pacs.error = None
    assert bench.after(4.9) == 0
    assert bench.after(0.2) == 1
    assert bench.after(10) == 1


def test_a_refusal_is_a_dead_letter_at_once(bench):
    """What cannot get better is not tried again, stays visible with its reason, and closes nothing."""
    bench.pacs.error = REFUSAL
    bench.after(0)
    assert bench.dead() == ["0xA900"] * 2
    assert bench.outboxes["PACS"].position is Position.CLOSED
    bench.pacs.error = None
    assert bench.after(10_000) == 0


def test_a_replayed_letter_is_delivered(bench):
    """After an operator has set it right, what was given up arrives."""
    bench.pacs.error = REFUSAL
    bench.after(0)
    bench.pacs.error = None
    assert bench.journal.replay(Selection(destination="PACS")) == 2
    assert bench.after(0) == 2


def test_a_destination_that_is_away_costs_one_probe_every_so_often(bench):
    """A hundred deliveries to a peer that is down for a day: a probe a minute, and no attempt is counted."""
    for number in range(2, 51):
        bench.analysed(number)
    bench.pacs.error = AWAY
    bench.after(0)
    assert bench.pacs.tried == FAILURES
    assert bench.outboxes["PACS"].position is Position.OPEN
    for _ in range(100):
        bench.after(1)
    assert bench.pacs.tried == FAILURES + 4  # after 5, 15, 35, 75 s; then one a minute
    bench.pacs.error = None
    assert bench.after(LONGEST_PROBE_S) == 100
    assert {what for what, _, _ in bench.told} == {"away", "delivered"}
    assert bench.outboxes["PACS"].position is Position.CLOSED


def test_a_probe_is_never_the_same_delivery_again_while_others_wait(bench):
    """One object that always fails cannot keep a destination closed for the others."""
    bench.pacs.error = AWAY
    bench.after(0)
    bench.after(0)
    probed = [kind for _, kind, _ in bench.told]
    bench.after(6)
    assert probed == ["sr", "seg"]
    assert [kind for _, kind, _ in bench.told][2] == "sr"


def test_an_object_that_always_fails_does_not_hold_up_the_others(bench):
    """It waits longer each time; what comes after it arrives."""
    take = bench.pacs.deliver

    def picky(delivery, encoded):
        if (delivery.series_uid, delivery.kind) == ("1.2.1", "sr"):
            raise TROUBLE
        take(delivery, encoded)

    bench.pacs.deliver = picky
    bench.after(0)
    for number in range(2, 8):
        bench.analysed(number)
        assert bench.after(70) == 2
    assert ("retried", "sr", "0xA700") in bench.told


def test_patience_has_an_end(bench):
    """After the stated time a delivery that was tried is given up."""
    bench.pacs.error = TROUBLE
    for _ in range(30):
        bench.after(9.9)
    assert bench.dead() == []
    for _ in range(30):
        bench.after(9.9)
    assert bench.dead() == ["0xA700"] * 2


def test_nothing_is_given_up_for_the_time_that_we_were_down(bench):
    """After a long stop old deliveries are tried for a while again, since the peer may have been down too."""
    bench.clock.now_s += 10 * PATIENCE.give_up_s
    bench.outboxes["PACS"] = bench.outbox("PACS")
    bench.pacs.error = TROUBLE
    bench.after(0)
    assert bench.dead() == []
    for _ in range(20):
        bench.after(PATIENCE.longest_s)
    assert len(bench.dead()) == 2


def test_a_destination_that_asks_for_time_gets_it(bench):
    """Retry-After is longer than our own wait, and no longer than our longest."""
    bench.pacs.error = DeliveryError("HTTP 429", retryable=True, after_s=30)
    bench.after(0)
    bench.pacs.error = None
    assert bench.after(29) == 0
    assert bench.after(2) == 2
    bench.analysed(2)
    bench.pacs.error = DeliveryError("HTTP 429", retryable=True, after_s=1e9)
    bench.after(0)
    bench.pacs.error = None
    assert bench.after(PATIENCE.longest_s + 1) == 2


def test_an_error_of_one_delivery_does_not_stop_the_others(bench):
    """A destination that breaks is a failed try, told without its words."""
    bench.pacs.error = ValueError("Doe^Jane")
    assert bench.after(0) == 0
    assert ("retried", "sr", "it failed: ValueError") in bench.told


def test_an_object_that_cannot_be_read_is_tried_again(bench):
    """A store that fails is a failed try of its object, not the end of the outbox."""
    kept, bench.objects.kept = bench.objects.kept, {}
    assert bench.after(0) == 0
    bench.objects.kept = kept
    assert bench.after(6) == 2


def test_a_journal_that_is_away_leaves_the_way_open(bench):
    """A take that fails is told, and uses up no probe."""
    bench.pacs.error = AWAY
    bench.after(0)
    bench.after(6)
    bench.after(0)
    take, bench.journal.take = bench.journal.take, _fail
    bench.pacs.error = None
    with pytest.raises(StoreError):
        bench.after(100)
    bench.journal.take = take
    assert bench.after(0) == 2


def _fail(*_):
    raise StoreError("the journal failed")


def test_a_stop_leaves_the_rest_in_the_queue(bench):
    """After a stop nothing more is sent; the next start sends it."""
    bench.outboxes["PACS"].stop()
    assert bench.after(0) == 0
    bench.outboxes["PACS"] = bench.outbox("PACS")
    assert bench.after(0) == 2


def test_what_is_kept_at_once_is_delivered_at_once(asking):
    """A destination that answers the first question needs no second one."""
    asking.pacs.keeps = True
    assert asking.after(0) == 2
    assert asking.pacs.asked == [b"sr", b"seg"]
    assert asking.after(1000) == 0


def test_what_was_sent_is_done_once_the_destination_says_that_it_keeps_it(asking):
    """It is not sent again meanwhile, and asked after again."""
    assert asking.after(0) == 0
    assert [what for what, _, _ in asking.told] == ["sent", "sent"]
    assert asking.after(6) == 0
    asking.pacs.keeps = True
    assert asking.after(11) == 2
    assert len(asking.pacs.got) == 2
    assert len(asking.pacs.asked) == 4


def test_what_the_destination_does_not_have_is_sent_again(asking):
    """A success that was none is found out, and healed."""
    asking.after(0)
    asking.pacs.keeps = False
    asking.after(6)
    assert len(asking.pacs.got) == 2
    asking.after(11)
    assert len(asking.pacs.got) == 4
    asking.pacs.keeps = True
    assert asking.after(100) == 2
    assert asking.dead() == []


def test_a_destination_that_never_says_it_becomes_a_dead_letter(asking):
    """Patience has an end here too, counted from when it was sent."""
    for _ in range(20):
        asking.after(PATIENCE.longest_s)
    assert asking.dead() == ["the destination has not said yet that it keeps it"] * 2
    assert len(asking.pacs.got) == 2


def test_questions_that_fail_do_not_stop_deliveries(asking):
    """Who cannot be asked is asked later; the breaker is about sending alone."""
    asking.pacs.cannot_say = AWAY
    asking.after(0)
    for _ in range(5):
        asking.after(6)
    assert asking.outboxes["PACS"].position is Position.CLOSED
    asking.analysed(2)
    asking.after(0)
    assert len(asking.pacs.got) == 4
    asking.pacs.cannot_say, asking.pacs.keeps = None, True
    assert asking.after(100) == 4


def test_a_destination_that_answers_no_questions_is_said_to_an_operator(asking):
    """Verification that can never come is a dead letter, which says that the object was taken."""
    asking.after(0)
    asking.pacs.cannot_say = DeliveryError("it offers no commitment", retryable=False)
    asking.after(6)
    assert asking.dead() == ["it was taken, but: it offers no commitment"] * 2


def test_what_was_to_be_verified_is_done_when_that_is_asked_for_no_longer(asking):
    """A change of the settings ends the wait."""
    asking.after(0)
    asking.verify = False
    asking.outboxes["PACS"] = asking.outbox("PACS")
    assert asking.after(6) == 2
    assert len(asking.pacs.got) == 2


def test_what_a_newer_one_replaced_is_done_without_a_word_of_the_destination(bench):
    """It is not tried again, is no dead letter, and does not close the breaker of one that is away."""
    bench.pacs.error = AWAY
    for _ in range(FAILURES):
        bench.after(20)
    assert bench.outboxes["PACS"].position is not Position.CLOSED
    bench.pacs.error = Replaced()
    assert bench.after(70) == 0
    assert bench.outboxes["PACS"].position is not Position.CLOSED
    assert [one for one in bench.told if one[0] == "replaced"] == [
        ("replaced", kind, "a newer one took its place") for kind in ("sr", "seg")
    ]
    bench.pacs.error = None
    assert bench.after(1000) == 0
    assert bench.dead() == []
