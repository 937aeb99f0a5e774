"""Pulls that callers ask for, over an archive in memory."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pytest
from archives import NAME, MemoryArchive, uid
from fakes import HandClock

from millet.core.origin import Origin
from millet.errors import ArchiveError, StoreError
from millet.flow.fetching import Fetching
from millet.flow.hands import Hands
from millet.flow.pull import Door, Puller
from millet.ports import (
    Asked,
    FoundSeries,
    FoundStudy,
    PulledSeries,
    PullEnd,
    PullOrder,
    Retrieved,
    SeriesName,
    SeriesQuery,
    Take,
)

ORDER = PullOrder(archive="pacs", wanted=SeriesQuery(series_uid=NAME.series_uid), expected=Origin())


@dataclass
class Archive(MemoryArchive):
    """One that knows whose its series are, and may hang or fail."""

    found: Sequence[SeriesName] = (NAME,)
    hang: threading.Event | None = None
    slow: threading.Event | None = None
    """Until it is set no instance comes."""
    error: Exception | None = None
    finds: int = 0

    def __post_init__(self) -> None:
        """Nothing is retrieved yet."""
        self.retrieves = threading.Event()
        self.lists = []

    def instances(self, name: SeriesName) -> frozenset[str]:
        """Its slices, in a set that only whoever asked holds."""
        listed = super().instances(name)
        self.lists.append(weakref.ref(listed))
        return listed

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Say so first."""
        self.retrieves.set()
        if self.slow:
            assert self.slow.wait(30)
        return super().retrieve(name, only, into)

    def find_series(self, wanted: SeriesQuery) -> Sequence[FoundSeries]:
        """Of patient P1 and order A1."""
        self.finds += 1
        if self.hang:
            assert self.hang.wait(30)
        if self.error:
            raise self.error
        mine = wanted.patient_id in {"", "P1"} and wanted.accession in {"", "A1"}
        return [FoundSeries(name=name) for name in self.found if mine]

    def find_studies(self, patient_id: str) -> Sequence[FoundStudy]:
        """The study of P1, as ISS issued it."""
        told = {
            "patient_id": patient_id,
            "issuer": "ISS",
            "birth_date": "",
            "sex": "",
            "date": "",
            "time": "",
        }
        return [FoundStudy(study_uid=NAME.study_uid, **told)]


class Bench:
    """A desk over it."""

    def __init__(self, **more: int) -> None:
        self.archive = Archive()
        self.here: set[str] = set()
        self.told = []
        self.away = False
        numbers = count(-1, -1)
        door = Door(site="here", admit=self._admit, ended=lambda _: None, number=lambda: next(numbers))
        known = {"pacs": self.archive}
        puller = Puller(known, self, door, HandClock(), lambda _seconds: None, settle_s=0.0)
        self.hands = Hands("pull", 1)
        self.desk = Fetching(known, puller, self.hands, tell=self.told.append, **more)

    def _admit(self, received, _number) -> None:
        self.here.add(received.sop_instance_uid)

    def kept(self, site, uids):
        """As the journal's."""
        if self.away:
            raise StoreError("the journal is away")
        assert site == "here"
        return frozenset(uids) & self.here

    def settled(self) -> None:
        """Wait until all that was asked for before is done."""
        done = threading.Event()
        self.hands.do(done.set)
        assert done.wait(30)

    def ended(self, order=ORDER, key="a"):
        """How a pull ends."""
        asked, pull = self.desk.ask(key, order)
        assert asked is Asked.NEW
        self.settled()
        return pull.state()


@pytest.fixture
def bench():
    """A desk, whose hands are let go."""
    made = Bench()
    yield made
    made.hands.stop()


def expecting(**facts):
    """An order that expects something."""
    return replace(ORDER, expected=Origin(**facts))


def test_all_that_matches_is_pulled_and_told(bench):
    """Series by series, and what is here is counted in the journal."""
    state = bench.ended()
    assert state.end is PullEnd.COMPLETE
    assert state.series == [PulledSeries(NAME, 3, 3)]
    assert state.series[0].complete
    assert [one.new for one in bench.told] == [3]


def test_the_same_request_is_the_same_pull(bench):
    """While it is under way and when it is done; under its key nothing else is taken."""
    bench.archive.hang = threading.Event()
    _, first = bench.desk.ask("a", ORDER)
    assert bench.desk.ask("a", ORDER) == (Asked.AGAIN, first)
    assert first.state().end is None
    assert bench.desk.ask("a", expecting(patient_id="P1")) == (Asked.OTHER_ORDER, None)
    bench.archive.hang.set()
    bench.settled()
    assert bench.desk.ask("a", ORDER) == (Asked.AGAIN, first)
    assert bench.archive.finds == 1
    assert bench.ended(key="b").end is PullEnd.COMPLETE
    assert len(bench.archive.asked) == 1


def test_a_pull_that_failed_is_begun_again_under_its_key(bench):
    """The second time it fetches what is missing alone."""
    bench.archive.breaks_after = 2
    state = bench.ended()
    assert (state.end, state.why) == (PullEnd.INCOMPLETE, "2 of 3 instances of a series came: it broke")
    bench.archive.breaks_after = 100
    assert bench.ended().end is PullEnd.COMPLETE
    assert bench.archive.asked == [frozenset(), frozenset({uid(3)})]


def test_an_archive_that_does_not_answer_ends_it(bench):
    """With its words; other failures are told by their kind alone."""
    bench.archive.error = ArchiveError("the archive cannot be reached")
    assert bench.ended()[1:3] == (PullEnd.NO_ARCHIVE, "the archive cannot be reached")
    bench.archive.error = ValueError("PID-000001")
    assert bench.ended()[1:3] == (PullEnd.FAILED, "it failed here: ValueError")


def test_a_series_that_the_archive_does_not_have(bench):
    """Is told as such; one without instances is not complete."""
    bench.archive.found = ()
    assert bench.ended().end is PullEnd.NO_SERIES
    bench.archive.found = (NAME,)
    bench.archive.numbers = ()
    assert bench.ended().end is PullEnd.INCOMPLETE


@pytest.mark.parametrize(
    ("facts", "differing"),
    [
        ({"patient_id": "P1", "issuer": "ISS", "study_uid": NAME.study_uid, "accession": "A1"}, ()),
        ({"patient_id": "P2"}, ("patient_id",)),
        ({"patient_id": "P1", "issuer": "OTHER"}, ("issuer",)),
        ({"study_uid": "1.2", "accession": "A2"}, ("study_uid", "accession")),
    ],
    ids=["all", "patient", "issuer", "study"],
)
def test_another_patient_s_series_is_not_fetched(bench, facts, differing):
    """The archive is asked whose it is, before anything is retrieved."""
    state = bench.ended(expecting(**facts))
    assert (state.end is PullEnd.NOT_EXPECTED, state.differing) == (bool(differing), differing)
    assert (bench.archive.asked == []) == bool(differing)


def test_so_many_wait_and_no_more():
    """Further ones are not taken, until some are done."""
    bench = Bench(most_waiting=2)
    bench.archive.hang = threading.Event()
    assert [bench.desk.ask(key, ORDER)[0] for key in "abc"] == [Asked.NEW, Asked.NEW, Asked.TOO_MANY]
    bench.archive.hang.set()
    bench.settled()
    assert bench.ended(key="c").end is PullEnd.COMPLETE
    bench.hands.stop()


def test_a_journal_that_is_away_is_told_to_whoever_looks(bench):
    """The pull itself fails with the store's words, and is then as it ended."""
    bench.archive.slow = threading.Event()
    _, pull = bench.desk.ask("a", ORDER)
    assert bench.archive.retrieves.wait(30)
    assert pull.state().series == [PulledSeries(NAME, 3, 0)]
    bench.away = True
    with pytest.raises(StoreError, match="away"):
        pull.state()
    bench.archive.slow.set()
    bench.settled()
    assert pull.state() == ([PulledSeries(NAME, 3, 0)], PullEnd.FAILED, "the journal is away", ())
    bench.away = False
    assert bench.ended().end is PullEnd.COMPLETE


@pytest.mark.parametrize(
    ("breaks_after", "away", "end", "here"),
    [
        (100, False, PullEnd.COMPLETE, 3),
        (2, False, PullEnd.INCOMPLETE, 2),
        (100, True, PullEnd.FAILED, 0),
    ],
    ids=["complete", "incomplete", "failed"],
)
def test_a_pull_that_ended_holds_no_instances(bench, breaks_after, away, end, here):
    """However it ended: what it says is known without the journal, and no UID of theirs is kept."""
    bench.archive.breaks_after, bench.away = breaks_after, away
    _, pull = bench.desk.ask("a", ORDER)
    bench.settled()
    bench.away = True
    assert pull.state()[:2] == ([PulledSeries(NAME, 3, here)], end)
    gc.collect()
    assert [listed() for listed in bench.archive.lists] == [None]
