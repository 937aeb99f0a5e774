from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import analyses
import pytest
import sqlalchemy as sa
from fakes import MemoryJournal, MemoryObjects
from instances import START_UTC, entry, header

from millet.edge.journal import SqlJournal, open_engine
from millet.edge.journal.tables import delivery as deliveries
from millet.errors import StoreError
from millet.ports import Among, Dismissal, KeptObject, Later, Selection

PACS = "PACS@localhost:104"
EVERYTHING = Selection()
DISMISSED = Selection(among=Among.DISMISSED)
GONE = Dismissal(by="Erika Muster", reason="the PACS was taken out")
LEASE_S = 100.0
PATIENCE_S = 60.0
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class SqlForTest(SqlJournal):
    """The real journal, whose clock goes on when told: every time that it noted lies further back then."""

    def __init__(self, url) -> None:
        super().__init__(open_engine(url), lambda *_: None, MemoryObjects())

    def pass_time(self, seconds: float) -> None:
        """As MemoryJournal."""
        names = ("created_utc", "next_try_utc", "sent_utc")
        with self._engine.begin() as connection:
            for row in connection.execute(sa.select(deliveries)).all():
                told = {name: value for name in names if (value := getattr(row, name)) is not None}
                back = {name: value - timedelta(seconds=seconds) for name, value in told.items()}
                connection.execute(sa.update(deliveries).where(deliveries.c.id == row.id).values(back))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request):
    """Each implementation in turn."""
    if request.param == "memory":
        yield MemoryJournal()
        return
    made = SqlForTest(request.getfixturevalue("new_journal")(request.param))
    yield made
    made._engine.dispose()


def committed(journal, destinations=("folder",), number=1, unwanted_by=frozenset()):
    """A journal with one analysed series and its SR to be delivered."""
    recorded = journal.record(entry(number, series_uid=f"1.2.840.1.{number}"))
    assert journal.close(recorded.series_id, recorded.generation, START_UTC)
    kept = [
        KeptObject(kind="sr", path="aa/sr", sop_instance_uid="1.9", deliver=True, unwanted_by=unwanted_by),
        KeptObject(kind="mip-coronal.png", path="bb/mip"),
    ]
    work = journal.claim(recorded.series_id, recorded.generation)
    made = replace(analyses.analysis(), created_utc=START_UTC)
    assert journal.commit(work, made, kept, destinations)


def result(journal, number=1, destinations=("ris",), instance=1):
    """One more generation of a series, and its HL7 result to be delivered."""
    recorded = journal.record(entry(instance, series_uid=f"1.2.840.1.{number}"))
    assert journal.close(recorded.series_id, recorded.generation, START_UTC)
    work = journal.claim(recorded.series_id, recorded.generation)
    made = replace(analyses.analysis(), created_utc=START_UTC, generation=work.generation)
    kept = [KeptObject(kind="hl7-oru", path=f"aa/{instance}", deliver=True)]
    assert journal.commit(work, made, kept, destinations)


def newest(journal, delivery):
    """Whether a delivery is to be sent."""
    return not any(one.is_replaced for one in journal.topics(delivery))


def test_nothing_is_replaced_by_what_was_given_up(journal):
    """Else a recipient would hear neither."""
    for instance in (1, 2):
        result(journal, instance=instance)
    older = taken(journal, "ris")
    journal.postpone(older, Later(wait_s=LEASE_S, why="away"))
    newer = taken(journal, "ris")
    assert newer.delivery_id != older.delivery_id
    assert not newest(journal, older)
    journal.give_up(newer, "refused")
    assert newest(journal, older)
    assert journal.replay(Selection(destination="ris")) == 1
    assert not newest(journal, older)


def test_what_was_itself_replaced_replaces_nothing(journal):
    """It was never sent: where the newest was given up, the oldest is sent after all."""
    waiting = []
    for instance in (1, 2, 3):
        result(journal, instance=instance)
        waiting.append(taken(journal, "ris"))
        journal.postpone(waiting[-1], Later(wait_s=LEASE_S, why="away"))
    first, second, third = waiting
    assert not newest(journal, second)
    journal.replaced(second)
    assert not newest(journal, first)
    journal.give_up(third, "refused")
    assert newest(journal, first)
    assert journal.backlog()["ris"][:3:2] == (1, 1)


def taken(journal, destination="folder", holder="one"):
    """What is longest due; there must be something."""
    delivery = journal.take(destination, holder, LEASE_S)
    assert delivery is not None
    return delivery


def test_only_objects_for_delivery_are_delivered_to_each_destination(journal):
    """One delivery for each object that is to go out, and each destination."""
    committed(journal, ("folder", PACS))
    for destination in ("folder", PACS):
        delivery = taken(journal, destination)
        assert (delivery.kind, delivery.destination, delivery.attempts) == ("sr", destination, 0)
        assert delivery.series_uid == "1.2.840.1.1"
        assert delivery.study_uid == header(1).study_uid
        assert journal.take(destination, "one", LEASE_S) is None


def test_a_destination_gets_no_kind_that_it_did_not_ask_for(journal):
    """Who wants no SR has no delivery of one."""
    committed(journal, ("folder", PACS), unwanted_by=frozenset({PACS}))
    assert journal.take(PACS, "one", LEASE_S) is None
    assert taken(journal).kind == "sr"


def test_what_one_has_in_hand_nobody_else_takes(journal):
    """A delivery is one holder's until its lease ends; then it is anybody's, as it was."""
    committed(journal)
    first = taken(journal)
    assert journal.take("folder", "two", LEASE_S) is None
    journal.pass_time(LEASE_S - 1)
    assert journal.take("folder", "two", LEASE_S) is None
    journal.pass_time(2)
    assert taken(journal, holder="two").delivery_id == first.delivery_id


def test_many_deliverers_take_each_delivery_once(journal):
    """Threads that take at the same moment share what is due, and none is given twice."""
    for number in range(1, 9):
        committed(journal, number=number)
    start, found, lock = threading.Barrier(4), [], threading.Lock()

    def work(holder):
        start.wait()
        while delivery := journal.take("folder", holder, LEASE_S):
            with lock:
                found.append(delivery.delivery_id)

    threads = [threading.Thread(target=work, args=(f"holder-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(set(found))
    assert len(found) == 8


def test_who_comes_back_lets_go_of_what_it_had_in_hand(journal):
    """After a crash the next start of the same holder need not wait for its lease; others' leases stay."""
    for number in (1, 2):
        committed(journal, number=number)
    mine, theirs = taken(journal, holder="one"), taken(journal, holder="two")
    journal.let_go("one")
    assert taken(journal, holder="three").delivery_id == mine.delivery_id
    assert journal.take("folder", "three", LEASE_S) is None
    assert theirs.delivery_id != mine.delivery_id


def test_a_delivery_that_was_made_is_due_no_longer(journal):
    """Delivered is delivered, and stays so whatever is said later."""
    committed(journal)
    delivery = taken(journal)
    journal.delivered(delivery)
    journal.postpone(delivery, Later(wait_s=0.0, why="too late"))
    journal.give_up(delivery, "too late")
    journal.pass_time(9 * 86_400)
    assert journal.take("folder", "one", LEASE_S) is None
    assert journal.dead_letters(EVERYTHING) == []


def test_a_failed_delivery_waits_for_its_time(journal):
    """After a failure a delivery is due at its next try, with its attempts and the last error."""
    committed(journal)
    journal.postpone(taken(journal), Later(wait_s=30.0, why="unreachable"))
    journal.pass_time(29)
    assert journal.take("folder", "one", LEASE_S) is None
    journal.pass_time(2)
    again = taken(journal)
    assert (again.attempts, again.last_error, again.sent_utc) == (1, "unreachable", None)
    assert again.age_s == pytest.approx(31, abs=1)


def test_a_try_that_was_none_is_not_counted(journal):
    """A destination that was away costs the object no attempt."""
    committed(journal)
    journal.postpone(taken(journal), Later(wait_s=0.0, why="away", counted=False))
    assert taken(journal).attempts == 0


def test_who_waits_longest_comes_first(journal):
    """What is due later comes later, whoever was first."""
    for number in (1, 2):
        committed(journal, number=number)
    first, second = taken(journal), taken(journal)
    journal.postpone(second, Later(wait_s=5.0))
    journal.postpone(first, Later(wait_s=9.0))
    journal.pass_time(10)
    assert [taken(journal).delivery_id for _ in range(2)] == [second.delivery_id, first.delivery_id]


def test_what_was_sent_says_so_until_it_is_sent_again(journal):
    """A delivery that is to be verified counts from when it was sent, however often it is asked after."""
    committed(journal)
    journal.pass_time(1000)
    journal.postpone(taken(journal), Later(wait_s=10.0, sent=True))
    journal.pass_time(11)
    sent = taken(journal)
    assert sent.sent_utc is not None
    assert sent.age_s == pytest.approx(11, abs=1)
    journal.postpone(sent, Later(wait_s=10.0, sent=True, why="not yet"))
    journal.pass_time(11)
    still = taken(journal)
    assert still.age_s == pytest.approx(22, abs=1)
    journal.postpone(still, Later(wait_s=0.0, why="lost"))
    assert taken(journal).sent_utc is None


def test_a_dead_letter_stays_visible_and_is_not_tried(journal):
    """What is given up is due no longer, and is listed with its reason."""
    committed(journal)
    journal.give_up(taken(journal), "refused")
    journal.pass_time(9 * 86_400)
    assert journal.take("folder", "one", LEASE_S) is None
    (letter,) = journal.dead_letters(EVERYTHING)
    assert (letter.last_error, letter.attempts) == ("refused", 1)


def test_a_dead_letter_that_is_replayed_begins_anew(journal):
    """Its tries and its age are forgotten, and it is due at once."""
    committed(journal)
    journal.pass_time(9 * 86_400)
    journal.give_up(taken(journal), "refused")
    assert journal.replay(EVERYTHING) == 1
    again = taken(journal)
    assert (again.attempts, again.sent_utc) == (0, None)
    assert again.age_s == pytest.approx(0, abs=1)
    assert journal.dead_letters(EVERYTHING) == []


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(), 4),
        (Selection(destination=PACS), 2),
        (Selection(series_uid="1.2.840.1.2"), 2),
        (Selection(series_uid="1.2.840.1.2", destination=PACS), 1),
        (Selection(study_uid=header(1).study_uid), 4),
        (Selection(study_uid="1.2.3"), 0),
    ],
    ids=["all", "destination", "series", "both", "study", "unknown"],
)
def test_dead_letters_are_chosen(journal, selection, count):
    """Only what matches is listed and replayed; the rest stays where it is."""
    for number in (1, 2):
        committed(journal, ("folder", PACS), number=number)
    for destination in ("folder", PACS, "folder", PACS):
        journal.give_up(taken(journal, destination), "refused")
    assert len(journal.dead_letters(selection)) == count
    assert journal.replay(selection) == count
    assert len(journal.dead_letters(EVERYTHING)) == 4 - count


def test_what_is_not_dead_is_not_replayed(journal):
    """What waits or was delivered is left alone."""
    for number in (1, 2):
        committed(journal, number=number)
    journal.delivered(taken(journal))
    journal.postpone(taken(journal), Later(wait_s=500.0))
    assert journal.replay(EVERYTHING) == 0
    assert journal.take("folder", "one", LEASE_S) is None


def test_what_is_dismissed_neither_waits_nor_is_a_dead_letter(journal):
    """It says who ended it and why, beside what was wrong; nobody is given it, and it counts nowhere."""
    committed(journal, ("folder", PACS))
    for destination in ("folder", PACS):
        journal.give_up(taken(journal, destination), "refused")
    journal.dismiss(Selection(destination=PACS), GONE, 1)
    assert [one.destination for one in journal.dead_letters(EVERYTHING)] == ["folder"]
    (ended,) = journal.dead_letters(DISMISSED)
    assert (ended.destination, ended.level) == (PACS, analyses.analysis().triage.level)
    assert ended.last_error == "Erika Muster: the PACS was taken out; before: refused"
    assert journal.replay(EVERYTHING) == 1
    assert PACS not in journal.backlog()
    assert journal.take(PACS, "one", LEASE_S) is None


def test_what_is_dismissed_can_be_replayed(journal):
    """Whoever dismissed too much has it tried again, from the beginning."""
    committed(journal)
    journal.give_up(taken(journal), "refused")
    journal.dismiss(EVERYTHING, GONE, 1)
    assert journal.replay(DISMISSED) == 1
    assert taken(journal).attempts == 0
    assert journal.dead_letters(DISMISSED) == []


def test_of_what_is_not_as_many_as_was_said_nothing_is_dismissed(journal):
    """A dead letter that came, or was replayed, since somebody looked is not ended unseen."""
    for number in (1, 2):
        committed(journal, number=number)
        journal.give_up(taken(journal), "refused")
    for count in (1, 3):
        with pytest.raises(StoreError, match="there are 2 deliveries now"):
            journal.dismiss(EVERYTHING, GONE, count)
    assert len(journal.dead_letters(EVERYTHING)) == 2
    assert journal.dead_letters(DISMISSED) == []


def test_what_waits_is_dismissed_unless_somebody_has_it_in_hand(journal):
    """For a destination that nobody delivers to; who died with one in hand has it no longer."""
    for number in (1, 2):
        committed(journal, number=number)
    held = taken(journal)
    waiting = Selection(destination="folder", among=Among.WAITING)
    assert len(journal.dead_letters(waiting)) == 1
    journal.dismiss(waiting, GONE, 1)
    assert journal.backlog()["folder"][0] == 1
    journal.pass_time(LEASE_S + 1)
    assert [one.delivery_id for one in journal.dead_letters(waiting)] == [held.delivery_id]
    journal.dismiss(waiting, GONE, 1)
    assert journal.backlog() == {}
    journal.delivered(held)
    assert len(journal.dead_letters(DISMISSED)) == 2


def waits(journal):
    """Whether somebody waits for a lock."""
    with journal._engine.connect() as connection:
        return connection.exec_driver_sql(WAITS).first() is not None


def test_what_is_taken_while_it_is_dismissed_stays_in_hand(new_journal):
    """PostgreSQL lets both begin: the dismissal waits for the one who takes, and then finds none."""
    journal = SqlForTest(new_journal("postgresql"))
    committed(journal)
    in_hand = {"holder": "one", "next_try_utc": datetime.now(UTC) + timedelta(days=1)}
    waiting = Selection(destination="folder", among=Among.WAITING)
    with ThreadPoolExecutor(1) as pool:
        with journal._engine.begin() as taking:
            taking.execute(sa.update(deliveries).values(in_hand))
            ending = pool.submit(journal.dismiss, waiting, GONE, 1)
            until_s = time.monotonic() + PATIENCE_S
            while not waits(journal):
                assert time.monotonic() < until_s
                time.sleep(0.02)
        with pytest.raises(StoreError, match="there are 0 deliveries now"):
            ending.result(PATIENCE_S)
    assert journal.backlog()["folder"][0] == 1
    journal._engine.dispose()


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 81], ids=["none", "blank", "lines", "long"])
def test_a_dismissal_names_a_person_and_a_reason(text):
    """In one line, which the audit trail and a list have room for."""
    for name in ("by", "reason"):
        with pytest.raises(ValueError, match="1 to 80 characters"):
            replace(GONE, **{name: text})


def test_the_backlog_is_counted_for_each_destination(journal):
    """What waits, how long the oldest has waited, and what was given up."""
    committed(journal, ("folder", PACS))
    journal.pass_time(60)
    committed(journal, (PACS,), number=2)
    journal.give_up(taken(journal), "refused")
    journal.postpone(taken(journal, PACS), Later(wait_s=0.0, sent=True))
    counted = journal.backlog()
    assert counted["folder"] == (0, 0.0, 1)
    waiting, oldest_s, dead = counted[PACS]
    assert (waiting, dead) == (2, 0)
    assert oldest_s == pytest.approx(60, abs=1)


def test_a_newer_result_is_given_to_nobody_while_the_older_is_in_hand(journal):
    """Of the same series and to the same destination; others go their way. After a crash the older is due."""
    result(journal, destinations=("ris", "ward"))
    older = taken(journal, "ris", "one")
    result(journal, destinations=("ris", "ward"), instance=2)
    result(journal, number=2, instance=3)
    assert newest(journal, taken(journal, "ris", "two"))
    assert journal.take("ris", "two", LEASE_S) is None
    assert taken(journal, "ward").generation == 1
    journal.pass_time(LEASE_S + 1)
    again = journal.take("ris", "two", LEASE_S)
    assert (again.delivery_id, newest(journal, again)) == (older.delivery_id, False)


@pytest.mark.parametrize("end", ["delivered", "give_up"])
def test_a_newer_result_comes_once_the_older_has_ended(journal, end):
    """Delivered or given up: a dead letter holds up nothing, and is old when it is replayed."""
    result(journal)
    older = taken(journal, "ris")
    result(journal, instance=2)
    assert journal.take("ris", "two", LEASE_S) is None
    _ = journal.give_up(older, "refused") if end == "give_up" else journal.delivered(older)
    newer = taken(journal, "ris", "two")
    assert (newer.generation, newest(journal, newer)) == (2, True)
    journal.delivered(newer)
    assert journal.replay(EVERYTHING) == (end == "give_up")
    again = journal.take("ris", "two", LEASE_S)
    assert again is None if end == "delivered" else not newest(journal, again)


def test_an_older_result_that_waits_for_its_next_try_is_overtaken_and_old(journal):
    """The newer one is not held up by it, and it is not to be sent when its time has come."""
    result(journal)
    journal.postpone(taken(journal, "ris"), Later(wait_s=30.0))
    result(journal, instance=2)
    newer = taken(journal, "ris", "two")
    assert (newer.generation, newest(journal, newer)) == (2, True)
    journal.pass_time(31)
    older = taken(journal, "ris")
    assert (older.generation, newest(journal, older)) == (1, False)
    assert newest(journal, newer)


def test_what_has_its_place_beside_all_others_waits_for_none(journal):
    """An SR of a later generation is another instance."""
    committed(journal)
    first = taken(journal)
    committed(journal, number=2)
    assert taken(journal).delivery_id != first.delivery_id
    assert journal.topics(first) == []
