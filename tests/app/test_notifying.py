"""Recipients of levels, from the commit of an analysis to a receiver that verifies what it gets."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from time import monotonic

import analyses
import pytest
from fakes import MemoryObjects
from hl7_listener import Ris
from instances import START_UTC, entry
from notices import CRITICAL, NOT_ASSESSED, NOTABLE, UNFLAGGED, URGENT
from prometheus_client import CollectorRegistry
from standardwebhooks.webhooks import Webhook
from ups import CANCELED, SCHEDULED, Manager
from web_server import Server

from millet.app.delivering import Delivering, destination
from millet.app.tracing import Tracing
from millet.core.notification import reference
from millet.edge.destinations import MailDestination, ReviewDestination, Rewritten, WebhookDestination
from millet.edge.journal import JournalClock, SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.telemetry import Events, Telemetry
from millet.ports import Flag, Selection
from millet.settings import DestinationSection, Settings

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Unasked:
    """A verifier that nobody asks here."""

    def ask(self, *_):
        """As ports.Verifier."""
        raise AssertionError

    answered = ask


class Bench:
    """The part that delivers, on a journal that outlives it."""

    def __init__(self, folder, *sections, url="", holder="one") -> None:
        self.holder = holder
        self.chosen = Settings(
            state_dir=folder,
            destination="none",
            destinations=sections,
            retry_first_s=0.05,
            retry_longest_s=0.2,
        )
        self.engine = open_engine(url or sqlite_url(folder / "journal.db"))
        migrate(self.engine)
        self.objects = MemoryObjects()
        self.journal = SqlJournal(self.engine, lambda *_: None, self.objects)
        self.names = [one.name for one in sections]
        self.instances = 0
        self.parts = []
        self.registry = CollectorRegistry()

    def start(self):
        """Deliver, as a process that begins."""
        self.registry = CollectorRegistry()
        telemetry, clock = Telemetry(self.registry, "0", self.names), JournalClock(self.engine)
        part = Delivering(
            chosen=self.chosen,
            holder=self.holder,
            clock=clock,
            journal=self.journal,
            objects=self.objects,
            events=Events(telemetry, (), lambda _: None, clock),
            telemetry=telemetry,
            questions=Unasked(),
            tracing=Tracing(lambda _span: None, clock),
        ).part()
        part.start()
        self.parts.append(part)

    def stop(self):
        """End it."""
        for part in self.parts:
            part.stop(5.0)
        self.parts.clear()

    def commit(self, level, study="1.2.1", series="1", recipients=None):
        """One more generation of a series, ended."""
        self.instances += 1
        one = entry(self.instances, series_uid=f"{study}.{series}")
        came = self.journal.record(replace(one, header=replace(one.header, study_uid=study)))
        self.journal.close(came.series_id, came.generation, START_UTC)
        work = self.journal.claim(came.series_id, came.generation)
        made = analyses.analysis()
        made = replace(made, triage=replace(made.triage, level=level), generation=work.generation)
        flag = Flag(recipients=tuple(self.names if recipients is None else recipients))
        assert self.journal.commit(work, made, [], self.names, flag)


@pytest.fixture
def server():
    """A receiver."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def bench(tmp_path):
    """Make a bench that ends."""
    made = []

    def make(*sections, **more):
        made.append(Bench(tmp_path, *sections, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        one.engine.dispose()


@pytest.fixture
def hook(server, tmp_path):
    """A section of the settings that notifies a receiver."""
    key = tmp_path / "key"
    key.write_text(KEY)

    def make(**more):
        told = {"name": "ward", "kind": "webhook", "tls": False, "key_file": key}
        to = f"http://127.0.0.1:{server.server_port}/{more.get('name', 'ward')}"
        return DestinationSection(**told | {"to": to} | more)

    return make


def worklist(to, **more):
    """A section of the settings that keeps a worklist."""
    told = {"name": "lists", "kind": "ups", "tls": False, "identify": "study", "archive_ae": "PACS"}
    return DestinationSection(**told | {"to": to, "notify_from": "notable"} | more)


def got(server, path="/ward"):
    """What a receiver got, verified."""
    lower = [(p, {k.lower(): v for k, v in headers.items()}, body) for p, headers, body in server.came]
    return [Webhook(KEY).verify(body, headers) for p, headers, body in lower if p == path]


def until(is_so, within_s=60.0):
    """Wait for something to be so."""
    ends_s = monotonic() + within_s
    while not is_so():
        assert monotonic() < ends_s
        threading.Event().wait(0.02)


def told_all(one, recipient):
    """Whether nothing is due, and then nothing on its way."""
    return not one.journal.due(recipient) and not one.journal.backlog()


def changes(server, path="/ward"):
    """What a receiver was told, in order."""
    told = sorted((one["data"] for one in got(server, path)), key=lambda data: data["sequence"])
    return [(data["change"], data["before"], data["level"]) for data in told]


def test_each_kind_has_its_transport(hook):
    """What a section says is what runs."""
    mail = DestinationSection(
        name="mail", kind="mail", to="mail.example:587", sender="a@b.example", recipients=("c@d.example",)
    )
    oru = DestinationSection(name="ris", kind="oru", to="ris.example:2575")
    fhir = DestinationSection(name="fhir", kind="fhir", to="https://fhir.example/r4")
    for section, kind in (
        (oru, Rewritten),
        (fhir, Rewritten),
        (worklist("LISTS@10.0.0.5:104"), ReviewDestination),
    ):
        assert isinstance(destination(section, Settings()), kind)
    assert isinstance(destination(hook(), Settings()), WebhookDestination)
    assert isinstance(destination(mail, Settings()), MailDestination)


def test_the_same_recipient_hears_of_every_change(bench, hook, server):
    """Raised by a later generation, lowered, withdrawn, raised again; the same level again is no news."""
    one = bench(hook())
    one.start()
    levels = (UNFLAGGED, URGENT, URGENT, CRITICAL, URGENT, NOTABLE, NOT_ASSESSED, URGENT)
    told = [
        ("raised", None, "urgent"),
        ("raised", "urgent", "critical"),
        ("lowered", "critical", "urgent"),
        ("withdrawn", "urgent", "notable"),
        ("raised", None, "urgent"),
    ]
    news = iter([0, 1, 1, 2, 3, 4, 4, 5])
    for level in levels:
        one.commit(level)
        count = next(news)
        until(lambda count=count: len(server.came) == count and not one.journal.due("ward"))
    assert changes(server) == told
    assert len({data["data"]["reference"] for data in got(server)}) == 1
    raised = {"destination": "ward", "level": "urgent", "change": "raised"}
    assert one.registry.get_sample_value("millet_notifications_total", raised) == 2


def test_a_study_is_told_once_however_many_series_it_has(bench, hook, server):
    """Its highest level, to each recipient by its own rule."""
    one = bench(hook(), hook(name="desk", notify_from="critical"), hook(name="all", notify_from="notable"))
    for series, level in enumerate((NOTABLE, URGENT, NOT_ASSESSED, URGENT)):
        one.commit(level, series=str(series))
    one.start()
    until(lambda: len(server.came) == 2 and not any(one.journal.due(name) for name in one.names))
    assert changes(server) == changes(server, "/all") == [("raised", None, "urgent")]
    assert not changes(server, "/desk")


def test_a_crash_between_commit_and_message_loses_and_repeats_nothing(bench, hook, server):
    """What was committed while nobody told is told by the next start, and by no further one."""
    one = bench(hook())
    one.commit(URGENT)
    for _ in range(2):
        one.start()
        until(lambda: len(server.came) == 1 and not one.journal.backlog())
        one.stop()
    one.commit(CRITICAL)
    one.start()
    until(lambda: len(server.came) == 2)
    assert changes(server) == [("raised", None, "urgent"), ("raised", "urgent", "critical")]


def test_a_receiver_that_is_away_gets_all_with_the_ids_of_the_first_try(bench, hook, server):
    """Retried as any delivery; what it refuses is a dead letter that can be replayed."""
    one = bench(hook())
    server.status = 500
    one.start()
    one.commit(URGENT)
    until(lambda: len(server.came) >= 2)
    server.status = 201
    until(lambda: not one.journal.backlog())
    ids = {headers["webhook-id"] for _, headers, _ in server.came}
    assert len(ids) == 1
    server.status = 400
    one.commit(CRITICAL)
    until(lambda: one.journal.backlog() and one.journal.backlog()["ward"].dead)
    server.status = 201
    assert one.journal.replay(Selection(destination="ward")) == 1
    until(lambda: not one.journal.backlog())
    assert changes(server)[-1] == ("raised", "urgent", "critical")


def test_over_the_ceiling_the_highest_level_still_goes_out_at_once(bench, hook, server):
    """Lower ones are held, none is lost, and they come in one digest when the hour has room."""
    one = bench(hook(most_an_hour=2))
    one.start()
    for number in range(2):
        one.commit(URGENT, study=f"1.2.{number}")
    until(lambda: len(server.came) == 2)
    for number in range(2, 6):
        one.commit(URGENT, study=f"1.2.{number}")
    for number in range(6, 9):
        one.commit(CRITICAL, study=f"1.2.{number}")
    until(lambda: len(server.came) == 5)
    assert [data["level"] for data in (told["data"] for told in got(server)[2:])] == ["critical"] * 3
    assert len(one.journal.due("ward")) == 4
    one.stop()
    wider = bench(hook(most_an_hour=3))
    wider.objects.kept.update(one.objects.kept)
    wider.start()
    until(lambda: len(server.came) == 6)
    (*_, digest) = got(server)
    assert digest["type"] == "studies.digest"
    assert [study["level"] for study in digest["data"]["studies"]] == ["urgent"] * 4
    assert not wider.journal.due("ward")


LEVELS = (URGENT, CRITICAL, NOTABLE)


def test_an_information_system_hears_of_every_change_by_hl7(bench):
    """Raised and lowered as preliminary results, withdrawn as a wrong one; each acknowledged."""
    with Ris() as ris:
        one = bench(DestinationSection(name="ris", kind="oru", to=f"127.0.0.1:{ris.port}", tls=False))
        one.start()
        for number, level in enumerate(LEVELS, start=1):
            one.commit(level)
            until(lambda number=number: len(ris.taken) == number and not one.journal.backlog())
    results = [(obr[25], obx[5].split("^")[0], obx[11]) for obr, obx in map(ris.result, ris.taken)]
    assert results == [("P", "t-urgent", "P"), ("P", "t-critical", "P"), ("C", "t-critical", "W")]
    assert len({obr[3] for obr, _ in map(ris.result, ris.taken)}) == 1


@pytest.mark.parametrize(
    ("refusal", "dead"),
    [(("AE", "207"), False), (("AR", ""), False), (("AE", "101"), True)],
    ids=["internal error", "not now", "wrong message"],
)
def test_what_an_information_system_refuses_is_retried_or_a_dead_letter(bench, refusal, dead):
    """As its acknowledgement says, with one control ID in every try."""
    with Ris() as ris:
        ris.refusals.append(refusal)
        one = bench(DestinationSection(name="ris", kind="oru", to=f"127.0.0.1:{ris.port}", tls=False))
        one.start()
        one.commit(URGENT)
        if dead:
            until(lambda: one.journal.backlog() and one.journal.backlog()["ris"].dead)
            assert one.journal.replay(Selection(destination="ris")) == 1
        until(lambda: told_all(one, "ris"))
    assert len(ris.came) == 2
    assert ris.came[0] == ris.came[1]


def test_a_message_that_a_newer_one_replaced_never_comes_after_it(bench):
    """A level that could not be told at once would else undo the one that was told meanwhile."""
    with Ris() as ris:
        ris.never.append(b"t-urgent")
        one = bench(DestinationSection(name="ris", kind="oru", to=f"127.0.0.1:{ris.port}", tls=False))
        one.start()
        one.commit(URGENT)
        until(lambda: ris.came)
        one.commit(CRITICAL)
        until(lambda: ris.taken)
        ris.never.clear()
        until(lambda: told_all(one, "ris"))
    assert [b"t-critical" in message for message in ris.taken] == [True]


@pytest.mark.parametrize("answer", ["AA", "AR"], ids=["slow", "slow and refused"])
@pytest.mark.parametrize("processes", [2, 1], ids=["two processes", "two threads of one"])
def test_of_two_that_deliver_none_overtakes_the_other_with_the_same_study(
    bench, journal_url, processes, answer
):
    """While the older message is in the hand of one, the other passes the newer by and sends another study's.

    An older one that failed is not sent again after the newer.
    """
    with Ris() as ris:
        ris.slow, ris.refusals = 1, [(answer, "")]
        told = {"name": "ris", "kind": "oru", "to": f"127.0.0.1:{ris.port}", "tls": False}
        section = DestinationSection(**told, concurrency=2 // processes)
        one, *others = (bench(section, url=journal_url, holder=f"{n}") for n in range(processes))
        one.start()
        for other in others:
            other.objects.kept = one.objects.kept
            other.start()
        one.commit(URGENT, study="1.2.1")
        until(lambda: ris.came)
        one.commit(NOTABLE, study="1.2.1")
        until(lambda: one.journal.backlog()["ris"].waiting == 2)
        one.commit(URGENT, study="1.2.2")
        until(lambda: ris.taken)
        assert len(ris.came) == 2
        ris.go.set()
        until(lambda: told_all(one, "ris"))
    told = [
        obr[25] for obr, _ in map(ris.result, ris.taken) if obr[3].startswith(reference("default", "1.2.1"))
    ]
    assert told == {"AA": ["P", "C"], "AR": ["C"]}[answer]
    assert len(ris.came) == 3


def test_a_server_of_fhir_has_one_alert_for_a_study(bench, server):
    """Each message is put in its place, the last one as entered in error."""
    to = f"http://127.0.0.1:{server.server_port}/fhir"
    one = bench(DestinationSection(name="fhir", kind="fhir", to=to, tls=False, identify="study"))
    one.start()
    for number, level in enumerate(LEVELS, start=1):
        one.commit(level)
        until(lambda number=number: len(server.came) == number and not one.journal.backlog())
    entries = [json.loads(body)["entry"][0] for _, _, body in server.came]
    assert [one["resource"]["status"] for one in entries] == ["completed", "completed", "entered-in-error"]
    assert len({one["request"]["url"] for one in entries}) == 1
    assert {headers["Content-Type"] for _, headers, _ in server.came} == {"application/fhir+json"}


def test_a_worklist_has_one_task_for_a_study(bench):
    """Its priority follows the level, and it is cancelled in the end; no ceiling holds anything."""
    manager = Manager()
    try:
        one = bench(worklist(f"LISTS@127.0.0.1:{manager.peer.port}", most_an_hour=1))
        one.start()
        states = []
        for level in (URGENT, NOTABLE, CRITICAL, NOT_ASSESSED):
            one.commit(level)
            until(lambda: told_all(one, "lists"))
            states += manager.states
    finally:
        manager.end()
    assert states == [
        ("MEDIUM", SCHEDULED),
        ("LOW", SCHEDULED),
        ("HIGH", SCHEDULED),
        ("HIGH", CANCELED),
    ]
    assert not manager.wrong
    (task,) = manager.tasks.values()
    assert len(task.InputInformationSequence[0].ReferencedSOPSequence) == 1
    assert task.InputInformationSequence[0].SeriesInstanceUID == "1.2.1.1"
