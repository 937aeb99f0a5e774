"""How long certificates still hold: our files, what servers show, what peers show."""

from __future__ import annotations

import math
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from certificates import Authority
from listeners import Listener
from prometheus_client import CollectorRegistry

from millet.app.certificates import Certificates, files, servers
from millet.edge.telemetry import Telemetry
from millet.settings import ArchiveSection, DestinationSection, Settings
from millet.settings.peers import PeerSection

DAY_S = 86400


@pytest.fixture
def authority(tmp_path):
    """A hospital's own authority."""
    return Authority(tmp_path / "hospital")


class Bench:
    """The certificates of one process, and their metric."""

    def __init__(self, **settings) -> None:
        self.registry = CollectorRegistry()
        self.now = datetime.now(UTC)
        self.certificates = Certificates(
            chosen=Settings(**settings),
            metrics=Telemetry(self.registry, "0").doors,
            now_utc=lambda: self.now,
        )

    def days(self, name: str) -> float | None:
        """What is told of one."""
        found = self.registry.get_sample_value("millet_certificate_left_seconds", {"certificate": name})
        return None if found is None else found / DAY_S

    def look(self) -> None:
        """At those of others, as the loop does."""
        part = self.certificates.part()
        part.start()
        try:
            for _ in range(200):
                if not math.isnan(self.days("destination PACS theirs") or math.nan):
                    return
                ssl.RAND_bytes(1)
                _wait()
        finally:
            part.stop(1.0)


def _wait() -> None:
    import threading

    threading.Event().wait(0.05)


def pacs(port: int, authority: Authority) -> DestinationSection:
    """A destination over TLS on loopback."""
    return DestinationSection(name="PACS", kind="dicom", to=f"PACS@127.0.0.1:{port}", roots=authority.roots)


def test_every_file_is_told_by_whose_it_is(tmp_path, authority):
    """The server's, those for destinations and archives, and their roots; what cannot be read is left out."""
    own, client = authority.issue("millet.example"), authority.issue("client.example")
    shown = {"certificate": client.certificate, "key": client.key, "roots": authority.roots}
    bench = Bench(
        tls_certificate=own.certificate,
        tls_key=own.key,
        tls_roots=authority.roots,
        destinations=(DestinationSection(name="PACS", kind="dicom", to="PACS@127.0.0.1:104", **shown),),
        archive=(ArchiveSection(name="VNA", kind="dimse", to="VNA@127.0.0.1:104", roots=tmp_path / "gone"),),
    )
    bench.certificates.measure()
    names = [name for name, _ in files(bench.certificates.chosen)]
    assert names == ["server", "roots", "destination PACS", "destination PACS roots", "archive VNA roots"]
    for name in ("server", "destination PACS"):
        assert bench.days(name) == pytest.approx(90, abs=0.1)
    assert bench.days("destination PACS roots") > 3000
    assert bench.days("archive VNA roots") is None


def test_what_a_destination_shows_is_seen_by_connecting(authority):
    """How long it holds, without a report being on its way."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue("127.0.0.1")
    context.load_cert_chain(issued.certificate, issued.key)
    with Listener(lambda line: line.recv(1), context) as server:
        bench = Bench(destinations=(pacs(server.port, authority),))
        bench.look()
    assert bench.days("destination PACS theirs") == pytest.approx(90, abs=0.1)


def test_whom_nobody_calls_over_tls_is_not_looked_at(authority):
    """A process that does not deliver calls no destination; one in the clear has no certificate."""
    section = pacs(104, authority)
    clear = DestinationSection(name="OLD", kind="dicom", to="OLD@127.0.0.1:104", tls=False)
    web = DestinationSection(name="WEB", kind="stow", to="https://web.example/dicom")
    mllp = DestinationSection(name="HL7", kind="mllp", to="127.0.0.1:2575")
    archive = ArchiveSection(name="VNA", kind="dicomweb", to="https://vna.example:8443/rs")
    mail = {"kind": "mail", "sender": "a@b.example", "recipients": ("c@d.example",)}
    asked = DestinationSection(name="MAIL", to="127.0.0.1:587", **mail)
    everything = {"destinations": (section, clear, web, mllp, asked), "archive": (archive,)}

    def called(*roles: str) -> list[tuple[str, str, int]]:
        return [(name, host, port) for name, _, host, port in servers(Settings(roles=roles, **everything))]

    assert called("api", "analyse") == []
    assert called("deliver") == [
        ("destination PACS theirs", "127.0.0.1", 104),
        ("destination WEB theirs", "web.example", 443),
        ("destination HL7 theirs", "127.0.0.1", 2575),
    ]
    assert called("receive") == [("archive VNA theirs", "vna.example", 8443)]


def test_a_peers_certificate_is_seen_when_it_calls():
    """NaN until then; of a peer that need not show one nothing is told."""
    bench = Bench(peer=(PeerSection(ae_title="CT1", certificate="ct1"), PeerSection(ae_title="CT2")))
    assert math.isnan(bench.days("peer CT1"))
    ends = (bench.now + timedelta(days=30)).strftime("%b %d %H:%M:%S %Y GMT")
    for title in ("CT1", "CT2", "CT3"):
        bench.certificates.shown(title, ends)
    bench.certificates.shown("CT1", "")
    assert bench.days("peer CT1") == pytest.approx(30, abs=0.1)
    assert bench.days("peer CT2") is None
    assert bench.days("peer CT3") is None
