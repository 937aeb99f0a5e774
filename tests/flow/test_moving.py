"""Priors that an archive sends to our DICOM port: taken if asked for, handed on, and left nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from archives import CT, NAME, MemoryArchive, uid
from fakes import HandClock, MemoryObjects, MemorySpool
from instances import SERIES, ct_file

from millet.codec.elements import data_set_start
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.store import ErrandFolder
from millet.errors import ArchiveError, RefusedInstance, StoreError
from millet.flow.errands import ByTitle, ErrandDesk, ErrandReception
from millet.flow.moving import MOST_INSTANCES, Moving
from millet.flow.reception import Receptions
from millet.ports import Errand, Offer, Retrieved, SeriesName, Site

PRIORS = "MILLETPRIORS"
UNASKED, PROCESSING_FAILURE, DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0x0124, 0x0110, 0xA900, 0xC000


def offer(number, called_ae=PRIORS, sop_class=CT, syntax="1.2.840.10008.1.2.1"):
    """What a C-STORE of slice `number` says."""
    return Offer(Site("default", "PACS", called_ae), sop_class, uid(number), syntax, 1)


def store(reception, number, encoded=None, **more):
    """Send a slice; the status that the archive is told."""
    whole = encoded or ct_file(number)
    try:
        reception.begin(offer(number, **more))
        for at in range(data_set_start(whole), len(whole), 100):
            reception.write(memoryview(whole)[at : at + 100])
        reception.end()
    except RefusedInstance as refusal:
        reception.abandon()
        return refusal.status
    return 0x0000


@dataclass
class Mover(MemoryArchive):
    """An archive that sends to a reception, by an association, what it is asked for or what a test says."""

    reception: ErrandReception | None = None
    told: Retrieved = field(default_factory=lambda: Retrieved(None, 0, 0))
    statuses: list[int] = field(default_factory=list)
    others: tuple[int, ...] = ()
    """Slices that it sends beside."""
    keeps: tuple[int, ...] = ()
    """Slices that it does not send."""

    sending: Callable[[ErrandReception], None] | None = None
    """How it sends, where it is not slice by slice."""

    def retrieve(self, name, only, into):
        """Have them sent, one after the other."""
        if self.sending:
            self.sending(self.reception)
            return self.told
        asked = [n for n in self.numbers if not only or uid(n) in only]
        for number in (*asked, *self.others):
            if number not in self.keeps:
                self.statuses.append(store(self.reception, number))
        return self.told


class Bench:
    """A receiver and an analyser on one journal and one folder."""

    def __init__(self, folder):
        self.clock = HandClock()
        migrate(engine := open_engine(sqlite_url(folder / "journal.db")))
        self.engine = engine
        self.journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
        self.store = ErrandFolder(folder / "errands")
        self.desk = ErrandDesk(site="default", log=self.journal, store=self.store, clock=self.clock)
        self.reception = ErrandReception(self.desk)
        self.waits = []

    def moving(self, archive, most_bytes=10**6):
        """An archive that sends to this receiver."""
        archive.reception = self.reception
        return Moving(
            archive=archive,
            title=PRIORS,
            desk=self.desk,
            wait=self._wait,
            limit_s=20.0,
            most_bytes=most_bytes,
        )

    def _wait(self, seconds):
        self.clock.now_s += seconds
        if self.waits:
            self.waits.pop(0)()

    @property
    def left(self):
        """Everything that lies between the two."""
        return self.store.older(self.clock.utc() + timedelta(days=1))


@pytest.fixture
def bench(tmp_path):
    """One."""
    made = Bench(tmp_path)
    yield made
    made.engine.dispose()


def handed(moving, only=()):
    """What a retrieval tells, and the bytes that it handed on, by UID."""
    kept = {}

    def take(received):
        kept[received.sop_instance_uid] = received

    return moving.retrieve(NAME, only, take), kept


def test_a_series_comes_to_who_asked_and_lies_nowhere_afterwards(bench):
    """As it was sent, in a file; it is asked for once."""
    archive = Mover()
    told, kept = handed(bench.moving(archive))
    assert told == (frozenset(map(uid, (1, 2, 3))), 0, 0, "")
    for number in (1, 2, 3):
        one, sent = kept[uid(number)], ct_file(number)
        assert one.encoded[data_set_start(one.encoded) :] == sent[data_set_start(sent) :]
        assert (one.sop_class_uid, one.transfer_syntax_uid) == (CT, "1.2.840.10008.1.2.1")
        assert one.source == ("default", "", PRIORS)
    assert bench.left == []
    assert bench.journal.open_series() == []
    assert store(bench.reception, 1) == UNASKED


def test_only_what_is_asked_for_is_taken(bench):
    """Some of a series, from an archive that sends more."""
    archive = Mover(others=(1, 3))
    told, kept = handed(bench.moving(archive), [uid(2)])
    assert (told.came, set(kept), archive.statuses) == ({uid(2)}, {uid(2)}, [0, UNASKED, UNASKED])


@pytest.mark.parametrize(
    ("encoded", "more", "status"),
    [
        (ct_file(1, f"{SERIES}.7"), {}, DOES_NOT_MATCH),
        (
            ct_file(1).replace(NAME.study_uid.encode() + b"\0", b"1.2.826.0.1.3680043.8.499\0"),
            {},
            DOES_NOT_MATCH,
        ),
        (ct_file(2), {}, DOES_NOT_MATCH),
        (ct_file(1), {"sop_class": "1.2.840.10008.5.1.4.1.1.4"}, DOES_NOT_MATCH),
        (b"no object" * 20, {"syntax": "1.2.840.10008.1.2.1.99"}, CANNOT_UNDERSTAND),
        (ct_file(1) + bytes(3000), {}, CANNOT_UNDERSTAND),
    ],
    ids=["another series", "another study", "another instance", "another class", "no object", "too large"],
)
def test_what_is_not_what_was_asked_for_is_refused(bench, encoded, more, status):
    """The archive is told why, and nothing of it is kept."""
    before = []

    def send(reception):
        before.append(store(reception, 1, encoded, **more))

    archive = Mover(sending=send, told=Retrieved(None, 0, 3))
    told, _ = handed(bench.moving(archive, most_bytes=2500))
    assert (before, told.came, bench.left) == ([status], frozenset(), [])
    assert (told.failed, told.why) == (3, f"0 of 3 instances came to {PRIORS}")


def test_a_part_that_the_archive_cannot_send_is_said_in_words(bench):
    """What came is handed on; nobody waits for the rest."""
    told, kept = handed(bench.moving(Mover(keeps=(2,), told=Retrieved(None, 0, 1))))
    assert (set(kept), told.failed) == ({uid(1), uid(3)}, 1)
    assert told.why == f"2 of 3 instances came to {PRIORS}"
    assert bench.clock.now_s == 0


def test_an_archive_that_breaks_off_says_why(bench):
    """With what came until then."""
    told, kept = handed(bench.moving(Mover(keeps=(3,), told=Retrieved(None, 0, 0, "it broke"))))
    assert (set(kept), told.why, bench.clock.now_s) == ({uid(1), uid(2)}, "it broke", 0)


def test_instances_may_come_after_the_last_answer(bench):
    """Some archives say that all is sent before it is."""
    moving = bench.moving(Mover(keeps=(1, 3)))
    bench.waits = [lambda: store(bench.reception, 3), lambda: store(bench.reception, 1)]
    told, kept = handed(moving)
    assert (len(kept), told.why) == (3, "")


def test_what_never_comes_is_waited_for_no_longer_than_the_limit(bench):
    """And what comes then is refused."""
    told, kept = handed(bench.moving(Mover(keeps=(1, 2))))
    assert (set(kept), told.why) == ({uid(3)}, f"1 of 3 instances came to {PRIORS}")
    assert 20 <= bench.clock.now_s < 21
    assert store(bench.reception, 1) == UNASKED


def test_what_is_sent_when_time_is_up_is_refused(bench):
    """Also when the errand is not forgotten yet, or ends between the first byte and the last."""
    during = []

    def slowly(reception):
        reception.begin(offer(1))
        reception.write(ct_file(1)[data_set_start(ct_file(1)) :])
        bench.clock.now_s = 21.0
        with pytest.raises(RefusedInstance) as refusal:
            reception.end()
        during.extend([refusal.value.status, store(reception, 2)])

    archive = Mover(sending=slowly, told=Retrieved(None, 0, 0, "the archive takes too long"))
    told, _ = handed(bench.moving(archive))
    assert (during, told.came, bench.left) == ([UNASKED, UNASKED], frozenset(), [])


def test_the_same_instance_twice_is_success_once(bench):
    """An archive that repeats one is told that we have it; two may ask for the same at once."""
    archive = Mover(others=(1, 2))
    inner = []

    def beside():
        inner.append(handed(bench.moving(Mover()))[1].keys())

    told, kept = handed(bench.moving(archive))
    assert (archive.statuses, len(kept), told.why) == ([0] * 5, 3, "")
    bench.waits = [beside]
    told, kept = handed(bench.moving(Mover(keeps=(3,))))
    assert [*map(len, inner), len(kept)] == [3, 3]
    assert bench.left == []


@pytest.mark.parametrize("count", [0, MOST_INSTANCES + 1])
def test_a_series_of_none_or_very_many_is_not_asked_for(bench, count):
    """With the number."""
    archive = Mover(numbers=range(count))
    told, _ = handed(bench.moving(archive))
    assert (told.came, told.why) == (frozenset(), f"it tells of {count} instances of the series")
    assert archive.statuses == []


def test_one_that_its_reader_cannot_use_does_not_end_the_retrieval(bench):
    """It counts as refused."""
    seen = []

    def take(received):
        seen.append(received.sop_instance_uid)
        if received.sop_instance_uid == uid(2):
            raise RefusedInstance(DOES_NOT_MATCH, "no")

    told = bench.moving(Mover()).retrieve(NAME, (), take)
    assert (told.came, told.refused, len(seen)) == ({uid(1), uid(3)}, 1, 3)


def test_a_journal_that_is_away_is_the_archives_silence(bench, tmp_path):
    """The search goes on with what else there is; a sender hears that it failed."""
    moving = bench.moving(Mover())
    bench.engine.dispose()
    for path in tmp_path.glob("journal.db*"):
        path.unlink()
    with pytest.raises(ArchiveError, match="could not be kept here"):
        handed(moving)
    assert store(bench.reception, 1) == PROCESSING_FAILURE


def test_what_an_analyser_left_that_died_is_tidied_up(bench):
    """Rows and bytes, after an hour; not what is under way."""
    begun = Errand(
        name="of the dead",
        site="default",
        series=NAME,
        sop_instance_uids=[uid(1), uid(2)],
        most_bytes=10**6,
        until_utc=bench.clock.utc() + timedelta(seconds=20),
    )
    bench.journal.begin_errand(begun)
    assert [store(bench.reception, number) for number in (1, 2)] == [0, 0]
    bench.store.write(b"half", bench.clock.utc())
    bench.desk.tidy()
    assert len(bench.left) == 3
    bench.clock.now_s += 3700
    bench.desk.tidy()
    assert bench.left == []
    assert bench.journal.wanted("default", uid(1), bench.clock.utc() - timedelta(seconds=3700)) is None


def test_the_other_questions_are_the_archives(bench):
    """What there is, and how many."""
    moving = bench.moving(Mover())
    assert [one.name for one in moving.find_series(None)] == [NAME]
    assert (moving.find_studies("P1"), moving.count(NAME), len(moving.instances(NAME))) == ([], 3, 3)
    assert moving.instances(SeriesName("1.2", "1.3")) == frozenset()


def test_the_title_that_is_called_says_which_way_an_instance_goes(bench):
    """The same instance, sent as an exam while it is asked for as a prior, is an exam."""
    spool = MemorySpool()
    usual = Receptions(spool, bench.clock, lambda: None, most_bytes=10**6)

    def of_title(called_ae):
        return bench.reception if called_ae == PRIORS else usual.associated()

    statuses = []

    def twice(_reception):
        for called_ae in ("MILLET", PRIORS):
            reception = ByTitle(of_title)
            statuses.append(store(reception, 1, called_ae=called_ae))
            reception.close()

    told, _ = handed(bench.moving(Mover(sending=twice, told=Retrieved(None, 0, 2))))
    assert (statuses, told.came, len(spool.paths())) == ([0, 0], {uid(1)}, 1)


def test_a_title_is_asked_of_what_begins(bench):
    """Before that there is nothing to write, and nothing to close."""
    reception = ByTitle(lambda _title: bench.reception)
    reception.abandon()
    reception.close()
    for do in (lambda: reception.write(b"x"), reception.end, bench.reception.end):
        with pytest.raises(StoreError, match="begun"):
            do()
