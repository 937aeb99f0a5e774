"""A rolling upgrade under load, and back again with a backlog of both releases; the faults' ledger judges."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import releases
import sqlalchemy as sa
from faults import books, cases
from faults.ledger import Evidence, judge
from faults.modality import Manner, Modality, Record
from faults.pacs import Pacs
from faults.world import digests
from peers import Millet, until

RECEIVERS, ANALYSERS = ("receive-0", "receive-1"), ("analyse-2", "analyse-3")
BETWEEN_S = 4.0
"""Between two series of a scanner."""
MANNER = Manner(pause_s=0.05, per_association=10)
SETTLE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Release:
    """What runs: a program, and how it is configured."""

    settings: Mapping[str, object]
    environment: Mapping[str, str] = field(default_factory=dict)


class Scanner(threading.Thread):
    """Sends series after series, whichever receiver takes them, until it is told that it is enough."""

    def __init__(self, name: str, ports: Sequence[int], record: Record) -> None:
        super().__init__(daemon=True)
        self._called, self._ports, self._record = name, ports, record
        self._enough = threading.Event()
        self.sent = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """One series, a pause, the next one."""
        while not self._enough.wait(BETWEEN_S):
            chance = random.Random(f"{self._called} {self.sent}")
            slices = cases.make("chest", f"{self._called}-{self.sent}", chance)
            sending = Modality(slices, MANNER, self._ports, self._record, chance)
            try:
                sending.run()
            except BaseException as failure:
                self.failure = failure
                raise
            self.sent += 1

    def end(self) -> None:
        """Bring the series in hand to its end, and send no other."""
        self._enough.set()
        self.join(SETTLE_S)
        assert self.failure is None
        assert not self.is_alive()


class Site:
    """Two receivers, two analysers and a deliverer on one PostgreSQL and one folder, before a PACS."""

    def __init__(self, start: Callable[..., Millet], url: str, state: Path, pacs: Pacs) -> None:
        self.url, self.state, self.pacs = url, state, pacs
        self._start = start
        self.shared = {
            "journal_url": url,
            "state_dir": str(state),
            "destination": f"PACS@127.0.0.1:{pacs.port}",
            "threads": 1,
        }
        self.members: dict[str, Millet] = {}

    def begin(self, release: Release) -> None:
        """Start everybody."""
        named = ("receive", "receive", "analyse", "analyse", "deliver")
        for slot, role in enumerate(named):
            own = {"roles": [role, "api"], "slot": slot}
            self.members[f"{role}-{slot}"] = self._start(**self.shared, **own, **release.settings)

    def run(self, name: str, release: Release) -> None:
        """Start one who is down, as a release."""
        one = self.members[name]
        one.configure(release.settings)
        one.environment = release.environment
        one.start()

    def stop(self, name: str) -> None:
        """Have one drain and end, as Kubernetes does."""
        assert self.members[name].terminate() == 0

    def roll(self, name: str, release: Release) -> None:
        """Replace one by a release."""
        self.stop(name)
        self.run(name, release)

    def asked(self, query: str) -> set[object]:
        """A column of the journal, or of the engine's own tables."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return set(connection.execute(sa.text(query)).scalars())

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Until something is so."""
        until(what, lambda: is_so() or None, SETTLE_S, self.members["deliver-4"].process)

    def settled(self) -> bool:
        """Whether every series has ended and every report has arrived."""
        held = books.read(self.url)
        states = {line.state for line in held.series} | {line.state for line in held.reports}
        return states <= {*books.ENDED, books.DONE, books.DEAD}


@pytest.fixture
def site(millet, postgres, tmp_path):
    """Nobody runs yet."""
    pacs = Pacs()
    yield Site(millet, postgres.url(postgres.fresh()), tmp_path / "state", pacs)
    pacs.close()


@pytest.fixture
def record():
    """What was acknowledged, from the moment that `site` is begun with."""
    return Record()


QUEUED = "SELECT newer FROM series WHERE state = 'queued'"
BEGUN_BY_BOTH = {"as it was", "by the newer"}
UNDER_WAY = """
    SELECT workflow_uuid FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')"""


def upgrade(site: Site, newer: Release) -> None:
    """Roll everybody, one by one; in between both releases do each kind of work."""
    for name in ("receive-0", "analyse-2", "deliver-4", "receive-1", "analyse-3"):
        site.roll(name, newer)


def go_back(site: Site, older: Release, newer: Release, *, protocol_too: bool) -> None:
    """Roll back while series that were begun by either release wait for an analyser."""
    for name in ANALYSERS:
        site.stop(name)
    site.roll("receive-0", older)
    site.wait("both releases have a backlog", lambda: site.asked(QUEUED) == BEGUN_BY_BOTH)
    site.roll("receive-1", older)
    if protocol_too:
        finish(site, older, newer)
    for name in ANALYSERS:
        site.run(name, older)
    site.roll("deliver-4", older)


def finish(site: Site, older: Release, newer: Release) -> None:
    """Have a newer analyser do what only it understands, while receivers make senders wait."""
    for name in RECEIVERS:
        site.stop(name)
    site.run(ANALYSERS[0], newer)
    site.wait("the newer release's work is done", lambda: not site.asked(UNDER_WAY))
    site.stop(ANALYSERS[0])
    for name in RECEIVERS:
        site.run(name, older)


def judged(site: Site, record: Record) -> books.Books:
    """The journal, after the ledger found nothing lost, half or double in it and in the PACS."""
    held = books.read(site.url)
    stored, made = digests(site.state, held)
    evidence = Evidence(acked=record.acked, books=held, stored=stored, made=made, kept=site.pacs.kept)
    assert judge(evidence) == []
    return held


@pytest.mark.parametrize("protocol", [releases.SAME_PROTOCOL, releases.NEWER_PROTOCOL], ids=["same", "newer"])
def test_a_rolling_upgrade_and_its_way_back_lose_nothing_and_double_nothing(
    site, record, tmp_path, protocol, record_testsuite_property
):
    """Two scanners go on sending while all is rolled to another program, tables and model, and back again."""
    older = Release(settings={"model": "log/1"}, environment={})
    newer = Release(settings={"model": "millet/1"}, environment=releases.newer(tmp_path / "newer", protocol))
    site.begin(older)
    ports = [site.members[name].dicom_port for name in RECEIVERS]
    scanners = [Scanner("one", ports, record), Scanner("two", ports[::-1], record)]
    for scanner in scanners:
        scanner.start()
    upgrade(site, newer)
    go_back(site, older, newer, protocol_too=protocol == releases.NEWER_PROTOCOL)
    for scanner in scanners:
        scanner.end()
    site.wait("all has come to its end", site.settled)
    held = judged(site, record)
    assert len(held.series) == sum(scanner.sent for scanner in scanners)
    assert {line.outcome for line in held.analyses} <= {"findings", "none-found"}
    assert len(site.asked("SELECT model_digest FROM analysis")) == len((older, newer))
    assert site.asked("SELECT version_num FROM millet_version") == {releases.REVISION}
    facts = {"series": len(held.series), "instances": len(record.acked), "associations": record.tries}
    facts |= {"reports": len(held.reports), "arrivals": len(site.pacs.kept)}
    record_testsuite_property(f"upgrade, protocol {protocol}", str(facts))
