"""With a real store and a real journal: large objects go once nobody needs them, all others stay."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import analyses
import pytest
import sqlalchemy as sa
from fakes import HandClock
from instances import SOURCE, START_UTC, entry

from millet.core import canary
from millet.core.job import State
from millet.core.retention import LARGE
from millet.edge.journal import SqlJournal, open_engine
from millet.edge.journal.tables import made, series
from millet.edge.store import Bucket, BucketObjects, ObjectFolder
from millet.errors import StoreError
from millet.flow.retention import ObjectRetention
from millet.ports import Among, Dismissal, KeptObject, Later, ObjectStore, Selection, SeriesKey, Site

KEEP = timedelta(days=30)
SMALL = ("sr", "summary", "fhir", "kos", "masks.pb", "mip-axial.png", "outline.json")
PACS = "PACS@localhost:104"
LEASE_S = 100.0


class Bench:
    """Analyses whose objects are in the store, and who makes room."""

    def __init__(self, journal_url: str, objects: ObjectStore) -> None:
        self.engine = open_engine(journal_url)
        self.objects = objects
        self.journal = SqlJournal(self.engine, lambda *_: None, objects)
        self.clock = HandClock()
        self.removed: list[str] = []
        self.retention = self.another(self.removed)
        self.wait(timedelta())

    def another(self, removed: list[str]) -> ObjectRetention:
        """Retention as a further process has it."""
        return ObjectRetention(self.objects, self.journal, self.clock, KEEP, removed.extend)

    def wait(self, since_now: timedelta) -> None:
        """It is so long after this moment, by which the journal notes what happens."""
        self.clock.now_s = (datetime.now(UTC) + since_now - START_UTC).total_seconds()

    def make(self, number: int = 1, source: Site = SOURCE) -> dict[str, str]:
        """A further generation of a series with an object of each kind: their paths by kind."""
        here = replace(entry(number, source=source), received_utc=datetime.now(UTC))
        recorded = self.journal.record_all([here], {})[0]
        assert self.journal.close(recorded.series_id, recorded.generation, START_UTC)
        work = self.journal.claim(recorded.series_id, recorded.generation)
        paths = {
            kind: self.objects.write(f"{kind} of {source.site}, {number}".encode()).path
            for kind in (*LARGE, *SMALL)
        }
        kept = [
            KeptObject(kind=kind, path=path, deliver=kind in {"seg", "sr"}) for kind, path in paths.items()
        ]
        analysis = replace(analyses.analysis(), generation=recorded.generation)
        assert self.journal.commit(work, analysis, kept, [PACS])
        return paths

    def deliver(self) -> None:
        """All that waits arrives."""
        while delivery := self.journal.take(PACS, "one", LEASE_S):
            self.journal.delivered(delivery)

    def there(self) -> set[str]:
        """What the store holds."""
        return set(self.objects.paths())


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    """Each kind of store."""
    if request.param == "bucket":
        return BucketObjects(Bucket(request.getfixturevalue("bucket_url")))
    return ObjectFolder(tmp_path / "objects")


@pytest.fixture
def bench(new_journal, store):
    """On SQLite, which lets go of all at the end."""
    found = Bench(new_journal("sqlite"), store)
    yield found
    found.engine.dispose()


@pytest.fixture
def folder_bench(journal_url, tmp_path):
    """On either kind of journal, with a folder."""
    found = Bench(journal_url, ObjectFolder(tmp_path / "objects"))
    yield found
    found.engine.dispose()


def large(paths: dict[str, str]) -> set[str]:
    """Where the large ones lie."""
    return {paths[kind] for kind in LARGE}


def test_large_objects_go_when_they_were_kept_for_long(bench):
    """What was delivered is kept for its days; then masks and projections go, and nothing else, once."""
    paths = bench.make()
    bench.deliver()
    bench.wait(KEEP - timedelta(hours=1))
    assert bench.retention.step() == 0
    bench.wait(KEEP + timedelta(hours=1))
    assert bench.retention.step() == 1
    assert bench.there() == set(paths.values()) - large(paths)
    assert sorted(bench.removed) == sorted(LARGE)
    assert bench.retention.step() == 0
    assert sorted(bench.removed) == sorted(LARGE)


def test_what_is_gone_is_no_fault_of_the_store(folder_bench):
    """There is none any more of what retention removed; everything else is read as before."""
    folder_bench.make()
    folder_bench.deliver()
    folder_bench.wait(2 * KEEP)
    folder_bench.retention.step()
    key = SeriesKey(site=SOURCE.site, series_uid=entry(1).header.series_uid)
    assert folder_bench.journal.object_bytes(key, "seg") is None
    for kind in SMALL:
        assert folder_bench.journal.object_bytes(key, kind) == f"{kind} of {SOURCE.site}, 1".encode()


def pending(bench: Bench) -> None:
    """One delivery waits for its next try."""
    delivery = bench.journal.take(PACS, "one", LEASE_S)
    bench.journal.postpone(delivery, Later(wait_s=1e6, why="away"))
    bench.deliver()


def dead(bench: Bench) -> None:
    """One delivery was given up."""
    bench.journal.give_up(bench.journal.take(PACS, "one", LEASE_S), "refused")
    bench.deliver()


def in_state(state: State):
    """All was delivered, and the series is in a state again."""

    def end(bench: Bench) -> None:
        bench.deliver()
        with bench.engine.begin() as connection:
            connection.execute(sa.update(series).values(state=state))

    return end


@pytest.mark.parametrize(
    "end",
    [pending, dead, in_state(State.RECEIVING), in_state(State.ANALYSING), in_state(State.PARKED)],
    ids=["pending", "dead", "receiving", "analysing", "parked"],
)
def test_what_somebody_may_need_stays_however_old(folder_bench, end):
    """What is still to be delivered, or could be replayed, or is of a series that has not ended."""
    paths = folder_bench.make()
    end(folder_bench)
    folder_bench.wait(100 * KEEP)
    assert folder_bench.retention.step() == 0
    assert folder_bench.there() == set(paths.values())


def test_a_dead_letter_holds_its_objects_until_it_has_arrived(folder_bench):
    """Replayed after years it is delivered as it was made, and only then its time begins."""
    paths = folder_bench.make()
    dead(folder_bench)
    folder_bench.wait(100 * KEEP)
    folder_bench.retention.step()
    assert folder_bench.journal.replay(Selection()) == 1
    again = folder_bench.journal.take(PACS, "one", LEASE_S)
    assert folder_bench.objects.read(again.path) == f"{again.kind} of {SOURCE.site}, 1".encode()
    folder_bench.journal.delivered(again)
    assert folder_bench.retention.step() == 1
    assert not folder_bench.there() & large(paths)


def test_a_dismissed_letter_holds_nothing_from_then_on(folder_bench):
    """Its objects are kept for their days after that; without them it is not replayed."""
    paths = folder_bench.make()
    dead(folder_bench)
    folder_bench.journal.dismiss(Selection(), Dismissal(by="Erika Muster", reason="none"), 1)
    folder_bench.wait(KEEP - timedelta(hours=1))
    assert folder_bench.retention.step() == 0
    assert len(folder_bench.journal.dead_letters(Selection(among=Among.DISMISSED))) == 1
    folder_bench.wait(KEEP + timedelta(hours=1))
    assert folder_bench.retention.step() == 1
    assert not folder_bench.there() & large(paths)
    assert folder_bench.journal.replay(Selection(among=Among.DISMISSED)) == 0


def test_what_a_later_generation_replaced_and_the_canary_go_after_a_day(folder_bench):
    """They serve nobody; the newest generation keeps its objects for their days."""
    replaced, newest = folder_bench.make(1), folder_bench.make(2)
    sent = folder_bench.make(3, Site(canary.NAME, canary.TITLE, canary.TITLE))
    folder_bench.deliver()
    folder_bench.wait(timedelta(days=2))
    assert folder_bench.retention.step() == 2
    every = {*replaced.values(), *newest.values(), *sent.values()}
    assert folder_bench.there() == every - large(replaced) - large(sent)


def test_a_crash_between_removing_and_forgetting_costs_nothing(bench):
    """What is gone already is removed once more, forgotten, and told once."""
    paths = bench.make()
    bench.deliver()
    bench.wait(2 * KEEP)
    bench.objects.remove(large(paths))
    assert bench.retention.step() == 1
    assert sorted(bench.removed) == sorted(LARGE)
    with bench.engine.connect() as connection:
        left = connection.execute(sa.select(made.c.kind).where(made.c.removed_utc.is_(None))).scalars()
        assert sorted(left) == sorted(SMALL)


def test_a_store_that_fails_is_asked_again_and_nothing_is_forgotten(folder_bench):
    """The step fails, and the next one removes what this one could not."""
    paths = folder_bench.make()
    folder_bench.deliver()
    folder_bench.wait(2 * KEEP)
    held = folder_bench.objects._root / paths["seg"]
    held.unlink()
    (held / "in the way").mkdir(parents=True)
    with pytest.raises(StoreError):
        folder_bench.retention.step()
    assert folder_bench.removed == []
    (held / "in the way").rmdir()
    held.rmdir()
    assert folder_bench.retention.step() == 1
    assert not folder_bench.there() & large(paths)


def test_two_processes_remove_each_object_once(folder_bench):
    """Both at the same moment: nothing fails, all goes, and one of them tells of it."""
    for number in range(1, 4):
        folder_bench.make(number, Site(f"site-{number}", "SCANNER", "MILLET"))
    folder_bench.deliver()
    folder_bench.wait(2 * KEEP)
    told: list[list[str]] = [[], []]
    start = threading.Barrier(2)

    def work(removed: list[str]) -> None:
        start.wait()
        folder_bench.another(removed).step()

    with ThreadPoolExecutor(2) as both:
        list(both.map(work, told))
    assert sorted(told[0] + told[1]) == sorted(3 * LARGE)
    assert len(folder_bench.there()) == 3 * len(SMALL)
