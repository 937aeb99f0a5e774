from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, ct_file, entry
from listeners import Listener, hang
from prometheus_client import CollectorRegistry
from web_server import Server

from millet.app.delivering import Delivering, askable, destination
from millet.app.tracing import Tracing
from millet.core.breaker import FAILURES
from millet.edge.destinations import (
    FolderDestination,
    HttpDestination,
    MllpDestination,
    StorageScu,
    StowDestination,
)
from millet.edge.journal import JournalClock, SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.telemetry import Events, Telemetry
from millet.ports import Dismissal, KeptObject, Selection
from millet.settings import DestinationSection, Settings


class Unasked:
    """A verifier that nobody asks here."""

    def ask(self, *_):
        """As ports.Verifier."""
        raise AssertionError

    answered = ask


class Bench:
    """The part that delivers, on a real journal, with these destinations."""

    def __init__(self, folder, *sections, holder="one", **settings) -> None:
        self.chosen = Settings(
            state_dir=folder,
            destinations=sections,
            **{"retry_first_s": 0.05, "retry_longest_s": 1.0} | settings,
        )
        self.engine = open_engine(sqlite_url(folder / "journal.db"))
        migrate(self.engine)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())
        self.objects = MemoryObjects()
        names = [one.name for one in self.chosen.all_destinations]
        self.registry = CollectorRegistry()
        telemetry, clock = Telemetry(self.registry, "0", names), JournalClock(self.engine)
        self.delivering = Delivering(
            chosen=self.chosen,
            holder=holder,
            clock=clock,
            journal=self.journal,
            objects=self.objects,
            events=Events(telemetry, (), lambda _: None, clock),
            telemetry=telemetry,
            questions=Unasked(),
            tracing=Tracing(lambda _span: None, clock),
        )
        self.part = self.delivering.part()

    def analysed(self, number=1):
        """A series whose SR and SEG are to reach every destination that wants them."""
        recorded = self.journal.record(entry(number, series_uid=f"1.2.{number}"))
        self.journal.close(recorded.series_id, 1, START_UTC)
        wanted = {one.name: one.wants for one in self.chosen.all_destinations}
        kept = [
            KeptObject(
                kind=kind,
                path=self.objects.write(ct_file(number) + kind.encode()).path,
                deliver=True,
                unwanted_by=frozenset(name for name, wants in wanted.items() if not wants(kind)),
            )
            for kind in ("sr", "seg")
        ]
        made = replace(analyses.analysis(), created_utc=START_UTC)
        self.journal.commit(self.journal.claim(recorded.series_id, 1), made, kept, list(wanted))

    def until(self, is_so, within_s=60.0):
        """Wait for something to be so."""
        ends_s = monotonic() + within_s
        while not is_so():
            assert monotonic() < ends_s, self.journal.backlog()
            threading.Event().wait(0.02)

    def value(self, name, **labels):
        """A metric."""
        self.delivering.tell()
        return self.registry.get_sample_value(f"millet_{name}", labels)

    def end(self):
        """Let go of everything."""
        self.part.stop(0.5)
        self.engine.dispose()


@pytest.fixture
def bench(tmp_path):
    """Make benches that end."""
    made = []

    def make(*sections, **settings):
        made.append(Bench(tmp_path, *sections, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def web():
    """An HTTP server."""
    server = Server()
    yield server
    server.end()


class Drawing:
    """A phantom that somebody may be drawing."""

    def __init__(self) -> None:
        self.stopped = False

    def stop(self):
        """As `app.canary.Drawn`."""
        self.stopped = True


def test_a_stop_ends_what_draws_the_canary(bench):
    """A report that is compared waits for nothing then."""
    drawing, made = Drawing(), bench()
    made.part = replace(made.delivering, drawn=drawing).part()
    made.part.start()
    made.part.stop(30.0)
    assert drawing.stopped


def to_web(server, **more):
    """A section of the settings that posts to a server."""
    return DestinationSection(
        **{"name": "web", "kind": "http", "to": f"http://127.0.0.1:{server.server_port}/in", "tls": False}
        | more
    )


@pytest.mark.parametrize(
    ("kind", "to", "made"),
    [
        ("folder", "/somewhere", FolderDestination),
        ("dicom", "PACS@127.0.0.1:104", StorageScu),
        ("stow", "https://127.0.0.1/dicom-web", StowDestination),
        ("http", "https://127.0.0.1/", HttpDestination),
        ("mllp", "127.0.0.1:2575", MllpDestination),
    ],
)
def test_each_kind_has_its_transport(kind, to, made):
    """What a section says is what runs, within the time that it says."""
    section = DestinationSection(name="x", kind=kind, to=to, limit_s=77.0)
    one = destination(section, Settings())
    assert isinstance(one, made)
    assert kind == "folder" or one.limit_s == 77.0


def test_who_is_asked_to_commit():
    """Only the destinations that say so, by name, under the title that they know us by."""
    told = {"kind": "dicom", "to": "PACS@127.0.0.1:104", "tls": False}
    sections = (
        DestinationSection(name="a", verify="commitment", calling_ae="OTHER", **told),
        DestinationSection(name="b", verify="query", **told),
    )
    asked = askable(Settings(destinations=sections))
    assert {name: one.calling_ae for name, one in asked.items()} == {"a": "OTHER"}


def test_a_destination_that_hangs_delays_no_other(bench, web):
    """The folder and the server have everything while the third has not answered its first object."""
    with Listener(hang) as listener:
        stuck = DestinationSection(
            name="stuck", kind="http", to=f"http://127.0.0.1:{listener.port}/", tls=False, timeout_s=60
        )
        made = bench(stuck, to_web(web))
        made.part.start()
        for number in (1, 2, 3):
            made.analysed(number)
        made.until(lambda: set(made.journal.backlog()) == {"stuck"})
        assert len(web.came) == 6
        assert len(list((made.chosen.state_dir / "reports").rglob("*.dcm"))) == 6
        assert made.value("outbox_deliveries", destination="stuck") == 6
        assert made.value("outbox_deliveries", destination="web") == 0
        assert listener.connections == 1


def test_a_destination_that_is_away_is_told_and_comes_back(bench, web):
    """Its breaker opens, which the metrics say; what waited arrives when it is back."""
    web.status = 503
    made = bench(to_web(web), destination="none")
    made.analysed()
    made.part.start()
    made.until(lambda: len(web.came) >= FAILURES + 1)
    assert made.value("destination_breaker", destination="web", position="closed") == 0
    assert made.value("deliveries_total", destination="web", result="away") >= FAILURES
    web.status = 201
    made.until(lambda: made.value("deliveries_total", destination="web", result="delivered") == 2)
    assert made.value("destination_breaker", destination="web", position="closed") == 1
    assert made.journal.backlog() == {}


def test_a_destination_gets_the_kinds_that_it_asked_for(bench, web):
    """SEG alone to the one, all to the other."""
    made = bench(to_web(web, kinds=("seg",)))
    made.analysed()
    made.part.start()
    made.until(lambda: not made.journal.backlog())
    assert [body[-3:] for _, _, body in web.came] == [b"seg"]
    assert len(list((made.chosen.state_dir / "reports").rglob("*.dcm"))) == 2


def test_what_was_in_hand_at_a_crash_is_sent_by_the_next_start(bench, web):
    """A lease of our own does not keep us waiting; that of another process does."""
    made = bench(to_web(web), destination="none")
    made.analysed()
    mine = made.journal.take("web", "one", 300.0)
    theirs = made.journal.take("web", "two", 300.0)
    made.part.start()
    made.until(lambda: made.journal.backlog()["web"].waiting == 1)
    assert len(web.came) == 1
    assert mine.delivery_id != theirs.delivery_id


def test_what_is_replayed_while_the_service_runs_arrives(bench, web):
    """A refusal is a dead letter; after a replay by another process the same object is there."""
    web.status = 400
    made = bench(to_web(web), destination="none")
    made.analysed()
    made.part.start()
    made.until(lambda: len(made.journal.dead_letters(Selection())) == 2)
    assert made.value("dead_letters", destination="web") == 2
    web.status = 201
    other = SqlJournal(made.engine, lambda *_: None, MemoryObjects())
    assert other.replay(Selection(destination="web")) == 2
    made.until(lambda: not made.journal.backlog())
    assert made.value("dead_letters", destination="web") == 0


def test_what_is_dismissed_while_the_service_runs_is_counted_no_longer(bench, web):
    """Another process dismisses what was refused: it is no dead letter, and is not tried again."""
    web.status = 400
    made = bench(to_web(web), destination="none")
    made.analysed()
    made.part.start()
    made.until(lambda: len(made.journal.dead_letters(Selection())) == 2)
    other = SqlJournal(made.engine, lambda *_: None, MemoryObjects())
    other.dismiss(Selection(destination="web"), Dismissal(by="Erika Muster", reason="none"), 2)
    assert made.value("dead_letters", destination="web") == 0
    assert made.value("outbox_deliveries", destination="web") == 0
    assert len(web.came) == 2


def test_a_stop_waits_for_what_is_in_hand_and_leaves_the_rest(bench, web):
    """The part says that it was cut off when a delivery did not end in time."""
    with Listener(hang) as listener:
        stuck = DestinationSection(
            name="stuck", kind="http", to=f"http://127.0.0.1:{listener.port}/", tls=False, timeout_s=60
        )
        made = bench(stuck, to_web(web))
        made.analysed()
        made.part.start()
        made.until(lambda: listener.connections == 1 and len(web.came) == 2)
        assert made.part.stop(0.2) is False
    assert made.journal.backlog()["stuck"].waiting == 2
