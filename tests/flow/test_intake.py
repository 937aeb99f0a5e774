from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from fakes import HandClock, MemoryJournal, MemoryObjects, MemorySpool
from instances import SERIES, SOURCE, ct_dataset, ct_file, entry, file_of, received

from millet.core.assembler import Waits
from millet.core.job import State
from millet.core.stack import FEWEST_SLICES
from millet.core.trace import trace_of
from millet.core.turns import EMERGENCY, ROUTINE
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.store import LogSpool
from millet.errors import RefusedInstance, StoreError
from millet.flow.completion import Completion
from millet.flow.intake import Intake
from millet.flow.reception import Receptions
from millet.ports import Offer, Policy, Stored

OFFER = Offer(SOURCE, "1.2", "1.2.3", "", 0)
WAITS = Waits(settle_s=2, quiet_s=10, gap_wait_s=60)


class Bench:
    """Intake on stand-ins, with a hand-moved clock."""

    def __init__(self, spool=None, journal=None, emergency_peers=(), titles=None):
        self.spool = spool or MemorySpool()
        self.journal = journal or MemoryJournal()
        self.clock = HandClock()
        self.told = []
        self.intake = Intake(
            self.spool,
            self.journal,
            Completion(WAITS),
            self.clock,
            lambda event, facts: self.told.append((event, facts)),
            lambda source: Policy(
                EMERGENCY if source.calling_ae in emergency_peers else ROUTINE,
                (titles or {}).get(source.calling_ae, ""),
            ),
        )
        self.receptions = Receptions(self.spool, self.clock, lambda: None, most_bytes=10_000)
        self.begun = set()
        self.intake.step()

    def begin(self, association):
        """An association begins, unless it has."""
        if association not in self.begun:
            self.begun.add(association)
            self.intake.association_began(association)

    def send(self, *numbers, association=1):
        """Slices by number, and a step."""
        self.begin(association)
        for number in numbers:
            self.receptions.associated().take(received(number), association)
        self.intake.step()

    def after(self, seconds):
        """Let time pass, and take a step."""
        self.clock.now_s += seconds
        self.intake.step()

    def closed_by(self):
        """By what each series was closed that was."""
        return [facts["closed_by"] for what, facts in self.told if what == "closed"]


@pytest.fixture
def bench():
    """An empty service."""
    return Bench()


def test_an_instance_is_durable_when_admitted_and_journalled_by_a_step(bench):
    """When admit returns, the bytes are in the spool; with the next step the row is in the journal."""
    bench.receptions.associated().take(received(1))
    assert (len(bench.spool.paths()), bench.journal.known_paths()) == (1, frozenset())
    bench.intake.step()
    assert set(bench.spool.paths()) == bench.journal.known_paths()
    assert bench.told == [("instance", {"result": "new"})]


def test_nothing_is_journalled_that_is_not_durable(bench):
    """A full spool refuses, and leaves no row behind."""
    bench.spool.full = True
    with pytest.raises(RefusedInstance):
        bench.send(1)
    assert bench.journal.open_series() == []


def test_a_whole_series_is_closed_soon_after_its_association_ends(bench):
    """Without holes and with its association released, a series is closed after the settling time."""
    bench.send(*range(1, 11))
    bench.after(3)
    assert bench.journal.jobs == []
    bench.intake.association_ended(1)
    bench.after(1.9)
    assert bench.journal.jobs == []
    bench.after(0.2)
    assert bench.journal.jobs == [(1, 1)]
    assert bench.closed_by() == ["geometry"]


def test_a_series_over_many_associations_is_one(bench):
    """A sender with an association for each instance does not split its series."""
    for number in range(1, 11):
        bench.send(number, association=number)
        bench.intake.association_ended(number)
        bench.after(0.5)
    assert bench.journal.jobs == []
    bench.after(2)
    assert bench.journal.jobs == [(1, 1)]


def test_a_series_with_a_hole_is_waited_for(bench):
    """A missing slice keeps the series open for the longer wait."""
    bench.send(*range(1, 6), *range(7, 11))
    bench.intake.association_ended(1)
    bench.after(59)
    assert bench.journal.jobs == []
    bench.after(2)
    assert bench.journal.jobs == [(1, 1)]


def test_a_late_instance_makes_the_next_generation_of_everything(bench):
    """A slice after closing re-opens the series, and the next generation knows all slices."""
    bench.send(*range(1, 11))
    bench.intake.association_ended(1)
    bench.after(3)
    bench.send(11, association=2)
    bench.intake.association_ended(2)
    assert bench.journal.state(1) == State.RECEIVING
    bench.after(3)
    assert bench.journal.jobs == [(1, 1), (1, 2)]
    assert len(bench.journal.claim(1, 2).paths) == 11


def test_a_series_that_is_sent_again_is_not_analysed_again(bench):
    """The same bytes again are success and nothing else."""
    for association in (1, 2):
        bench.send(*range(1, 11), association=association)
        bench.intake.association_ended(association)
        bench.after(3)
    assert bench.journal.jobs == [(1, 1)]
    assert bench.told.count(("instance", {"result": "repeated"})) == 10


def test_a_repeated_instance_keeps_an_open_series_open(bench):
    """While a sender repeats itself, the series is not silent."""
    bench.send(*range(1, 11))
    bench.after(9)
    bench.send(10)
    bench.after(9)
    assert bench.journal.jobs == []


def test_open_series_are_taken_up_after_a_restart(bench):
    """What was being received when the process ended is closed by the next one, waits begun anew."""
    bench.send(*range(1, 11))
    again = Bench(bench.spool, bench.journal)
    again.after(1)
    assert again.journal.jobs == []
    again.after(1.5)
    assert again.journal.jobs == [(1, 1)]


def test_what_a_crash_left_unjournalled_becomes_part_of_its_series(bench):
    """An instance that was durable, and perhaps acknowledged, is journalled by the next process."""
    bench.send(*range(1, 10))
    bench.receptions.associated().take(received(10))
    bench.spool.restart()
    again = Bench(bench.spool, bench.journal)
    assert again.told == [("instance", {"result": "new"})]
    again.after(3)
    assert len(again.journal.claim(1, 1).paths) == 10


def test_what_a_dead_receiver_left_is_read_again_where_the_journal_was_away(bench):
    """Read to its end and not journalled is not read: nothing waits for the next start."""
    bench.spool.write(ct_file(1))
    bench.spool.restart()
    record_all = bench.journal.record_all
    bench.journal.record_all = lambda *_: (_ for _ in ()).throw(StoreError("away"))
    with pytest.raises(StoreError):
        bench.intake.step()
    bench.journal.record_all = record_all
    bench.intake.step()
    assert bench.told == [("instance", {"result": "new"})]


def test_what_cannot_be_read_is_left_in_the_spool(bench):
    """Bytes that are no instance cost no neighbour, and do not stop the start."""
    bench.spool.write(b"no instance", OFFER)
    bench.send(1)
    assert bench.told == [("instance", {"result": "new"})]
    assert len(bench.spool.paths()) == 2


def test_instances_are_kept_while_the_journal_is_away(bench):
    """What comes meanwhile is durable and acknowledged; once the journal is back, nothing is missing."""
    record_all = bench.journal.record_all
    bench.journal.record_all = lambda *_: (_ for _ in ()).throw(StoreError("away"))
    with pytest.raises(StoreError):
        bench.send(*range(1, 6))
    bench.journal.record_all = record_all
    bench.send(*range(6, 11))
    bench.intake.association_ended(1)
    bench.after(3)
    assert len(bench.journal.claim(1, 1).paths) == 10


def test_a_commit_that_was_taken_for_failed_is_no_loss(bench):
    """The journal took a batch and its answer was lost: the series is closed all the same."""
    record_all = bench.journal.record_all

    def cut(*arguments):
        record_all(*arguments)
        raise StoreError("cut")

    bench.journal.record_all = cut
    with pytest.raises(StoreError):
        bench.send(*range(1, 11))
    bench.journal.record_all = record_all
    bench.intake.association_ended(1)
    bench.after(0)
    bench.after(3)
    assert bench.journal.jobs == [(1, 1)]
    assert len(bench.journal.claim(1, 1).paths) == 10


@pytest.mark.parametrize(
    ("encoded", "status"),
    [
        (b"", 0xC000),
        (b"\0" * 128 + b"DICM" + b"\xff" * 64, 0xC000),
        (ct_file(2), 0xA900),
        (ct_file(1).replace(b"\x20\x00\x0e\x00UI", b"\x20\x00\x0f\x00UI"), 0xC000),
    ],
    ids=["nothing", "garbage", "another instance", "no series"],
)
def test_what_is_no_instance_is_refused(bench, encoded, status):
    """Bytes that are not the instance the request names are refused with their status, and not kept."""
    with pytest.raises(RefusedInstance) as refused:
        bench.receptions.associated().take(received(1, encoded or b" "), 1)
    assert refused.value.status == status
    assert bench.spool.paths() == []


def test_a_journal_that_fails_to_close_is_asked_again(bench):
    """A series is not forgotten because the journal failed once."""
    bench.send(*range(1, 11))
    bench.intake.association_ended(1)
    close, failures = bench.journal.close, [StoreError("once")]

    def fails_once(*arguments):
        if failures:
            raise failures.pop()
        return close(*arguments)

    bench.journal.close = fails_once
    with pytest.raises(StoreError):
        bench.after(3)
    bench.after(1)
    assert bench.journal.jobs == [(1, 1)]


def test_a_series_that_could_not_be_opened_is_opened_later(bench):
    """Where the journal took an instance and then failed, its series is closed all the same."""
    headers = bench.journal.headers
    bench.journal.headers = lambda _: (_ for _ in ()).throw(StoreError("once"))
    bench.send(1)
    bench.journal.headers = headers
    bench.send(1)
    bench.intake.association_ended(1)
    bench.after(0)
    bench.after(61)
    assert bench.journal.jobs == [(1, 1)]


def test_one_series_that_fails_does_not_hold_up_the_others(bench):
    """The journal's failure to close one series is told after the others were closed."""
    other = f"{SERIES}.7"
    bench.send(1)
    bench.receptions.associated().take(received(1, ct_file(1, other), other), 1)
    bench.intake.step()
    close = bench.journal.close

    def fails(series_id, *arguments):
        if series_id == 1:
            raise StoreError("always")
        return close(series_id, *arguments)

    bench.journal.close = fails
    with pytest.raises(StoreError):
        bench.after(61)
    assert bench.journal.jobs == [(2, 1)]


def test_slices_over_parallel_associations_all_count(bench):
    """Four associations at once bring one series; none of its slices is lost to the completion."""
    start = threading.Barrier(4)

    def send(association):
        bench.intake.association_began(association)
        start.wait(20)
        for number in range(association, 41, 4):
            bench.receptions.associated().take(received(number), association)
        bench.intake.association_ended(association)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.intake.step()
    bench.after(3)
    assert bench.told[-1][0] == "closed"
    assert bench.closed_by() == ["geometry"]
    assert len(bench.journal.claim(1, 1).paths) == 40


def test_a_restart_with_the_real_journal_and_spool(tmp_path):
    """On disk, too, what one process received the next one adopts, takes up and closes."""
    jobs = []

    def process():
        engine = open_engine(sqlite_url(tmp_path / "journal.db"))
        migrate(engine)
        spool = LogSpool(tmp_path / "spool", "one")
        spool.hold()
        journal = SqlJournal(engine, lambda _, job: jobs.append(job[:2]), MemoryObjects())
        return Bench(spool, journal), engine

    first, engine = process()
    first.send(*range(1, 10))
    first.receptions.associated().take(received(10))
    first.spool.let_go()
    engine.dispose()
    second, engine = process()
    second.after(3)
    assert jobs == [(1, 1)]
    work = second.journal.claim(1, 1)
    kept = [second.spool.read(path) for path in work.paths]
    for number in range(1, 11):
        sent = ct_file(number)
        assert any(one.endswith(sent[sent.index(b"\x08\x00\x05\x00CS") :]) for one in kept)
    engine.dispose()


def test_a_series_in_one_piece_is_closed_at_its_release(bench):
    """One association that carried a whole stack: nothing is waited for."""
    bench.send(*range(1, 31))
    bench.after(0)
    assert bench.journal.jobs == []
    bench.intake.association_ended(1)
    bench.after(0)
    assert bench.journal.jobs == [(1, 1)]
    assert bench.closed_by() == ["geometry"]


@pytest.mark.parametrize("numbers", [range(1, FEWEST_SLICES), [*range(1, 15), *range(16, 31)]])
def test_what_is_no_whole_stack_is_waited_for(bench, numbers):
    """Too few slices for an analysis, or a hole: one piece or not, more may come."""
    bench.send(*numbers)
    bench.intake.association_ended(1)
    bench.after(0)
    assert bench.journal.jobs == []


def test_a_series_over_two_associations_is_no_piece(bench):
    """Whoever opens a second association for a series may open a third."""
    bench.send(*range(1, 16), association=1)
    bench.intake.association_ended(1)
    bench.send(*range(16, 31), association=2)
    bench.intake.association_ended(2)
    bench.after(1.9)
    assert bench.journal.jobs == []
    bench.after(0.2)
    assert bench.journal.jobs == [(1, 1)]


def send_one(bench, series_uid, numbers, association, sender="SCANNER"):
    """A series over an association of its own, that ends."""
    bench.begin(association)
    for number in numbers:
        told = received(number, ct_file(number, series_uid), series_uid)
        bench.receptions.associated().take(
            replace(told, source=told.source._replace(calling_ae=sender)), association
        )
    bench.intake.step()
    bench.intake.association_ended(association)
    bench.after(0)


def test_a_sender_that_came_back_is_waited_for_next_time(bench):
    """More of a closed series teaches that its sender sends in pieces; others are not waited for."""
    send_one(bench, f"{SERIES}.1", range(1, 31), 1)
    assert bench.journal.jobs == [(1, 1)]
    send_one(bench, f"{SERIES}.1", range(31, 33), 2)
    bench.after(3)
    assert bench.journal.jobs == [(1, 1), (1, 2)]
    send_one(bench, f"{SERIES}.2", range(1, 31), 3)
    assert len(bench.journal.jobs) == 2
    send_one(bench, f"{SERIES}.3", range(1, 31), 4, "OTHER")
    assert bench.journal.jobs[2:] == [(3, 1)]
    bench.after(2)
    assert bench.journal.jobs[3:] == [(2, 1)]


def test_a_sender_that_repeats_itself_has_not_come_back(bench):
    """The same bytes again are no more of the series."""
    for association in (1, 2):
        send_one(bench, f"{SERIES}.1", range(1, 31), association)
    send_one(bench, f"{SERIES}.2", range(1, 31), 3)
    assert bench.journal.jobs == [(1, 1), (2, 1)]


def test_an_emergency_is_one_by_its_sender():
    """What the scanner of the emergency room sends is journalled as urgent."""
    bench = Bench(emergency_peers=("ER",))
    send_one(bench, f"{SERIES}.1", range(1, 31), 1)
    send_one(bench, f"{SERIES}.2", range(1, 31), 2, "ER")
    assert [job.urgency for job in bench.journal.queue] == [ROUTINE, EMERGENCY]


def test_what_is_journalled_tells_which_titles_model_analyses_it():
    """As the rules say it of where each instance came from."""
    bench = Bench(titles={"SCANNER": "CHILD"})
    send_one(bench, f"{SERIES}.1", range(1, 31), 1)
    send_one(bench, f"{SERIES}.2", range(1, 31), 2, "ER")
    assert [job.model_title for job in bench.journal.queue] == ["CHILD", ""]


def test_a_stated_count_that_is_reached_closes_at_once(bench):
    """While its association is still open: nothing more is to come of it."""
    for number in range(1, 31):
        made = ct_dataset(number)
        made.ImagesInAcquisition = 30
        bench.begin(1)
        bench.receptions.associated().take(received(number, file_of(made)), 1)
        bench.after(0)
    assert bench.journal.jobs == [(1, 1)]
    assert bench.closed_by() == ["count"]


def test_a_sender_that_takes_its_time_is_given_it(bench):
    """Pieces of each series four seconds apart: after three series that fell apart none does any more."""
    for number in range(1, 5):
        for association, piece in enumerate((range(1, 16), range(16, 31))):
            send_one(bench, f"{SERIES}.{number}", piece, 10 * number + association)
            bench.after(4)
        bench.after(20)
    assert [job for job in bench.journal.jobs if job[0] == 1] == [(1, 1), (1, 2)]
    assert bench.journal.jobs[-1] == (4, 1)


def test_a_series_is_closed_with_what_its_study_is_ranked_by(bench):
    """What its headers say beside the others of the study goes into the same transaction."""
    bench.send(*range(1, 31))
    bench.intake.association_ended(1)
    bench.after(0)
    found = bench.journal.candidate(1)
    assert (found.series_uid, found.slices, found.refusal) == (SERIES, 30, "")


def test_what_another_receiver_has_is_left_to_it(bench):
    """A series that a living receiver gets is not closed by one that starts; once that is gone, it is."""
    bench.send(*range(1, 11))
    bench.spool.restart()
    bench.spool.others = set(bench.spool.paths())
    again = Bench(bench.spool, bench.journal)
    again.after(20)
    assert again.journal.jobs == []
    bench.spool.others = set()
    again.after(15)
    again.after(3)
    assert again.journal.jobs == [(1, 1)]


def test_a_series_that_two_receivers_get_is_whole_only_with_both(bench):
    """What another receiver has journalled meanwhile counts: it is looked at again before closing."""
    bench.send(*range(1, 11))
    for number in range(11, 21):
        bench.journal.record(replace(entry(number), stored=Stored(f"other@{number}", f"{number:064x}", 9)))
    bench.intake.association_ended(1)
    bench.after(3)
    assert bench.journal.jobs == []
    bench.after(3)
    assert bench.journal.jobs == [(1, 1)]
    assert len(bench.journal.claim(1, 1).paths) == 20


def test_what_is_told_of_a_complete_series_is_what_operators_watch(bench):
    """How long it was waited for, whose it is, and what made it, in few classes; and that it came again."""
    bench.send(*range(1, 11))
    bench.intake.association_ended(1)
    bench.after(2.5)
    told = dict(bench.told[-1][1])
    assert told.pop("waited_s") == pytest.approx(2.5)
    assert told == {
        "series_id": 1,
        "generation": 1,
        "trace": trace_of("default", SERIES, 1),
        "associations": "1",
        "site": "default",
        "closed_by": "geometry",
        "scanner": "unstated",
        "kernel": "unstated",
    }
    bench.send(11, association=2)
    assert ("reopened", {"series_id": 1, "generation": 2}) in bench.told
    assert [what for what, _ in bench.told].count("reopened") == 1
