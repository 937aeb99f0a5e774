"""What the doctor sees of others, and of files: real peers, some of them behind TLS."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from archives import WireArchive
from certificates import Authority
from ports import free_port
from pynetdicom import AE

from millet.cli.doctor import CHECKS
from millet.codec import criteria_toml
from millet.core.criteria_sets import LUNG_MILIARY
from millet.edge.tls import Files, server_context
from millet.errors import ServiceError
from millet.settings import ArchiveSection, DestinationSection, Settings

VERIFICATION = "1.2.840.10008.1.1"


def look(at: str, **facts) -> str:
    """One of the doctor's looks, at these settings."""
    return dict(CHECKS)[at](Settings(**facts))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Signs what others show."""
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def context(authority):
    """TLS of others."""
    pair = authority.issue("others")
    return server_context(Files(certificate=pair.certificate, key=pair.key), require=False)


@pytest.fixture
def closed_port():
    """A loopback port that nobody listens on, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="module")
def archives(context):
    """Two of them, by whether they are behind TLS."""
    made = {False: WireArchive(), True: WireArchive(context)}
    yield made
    for one in made.values():
        one.stop()


def section(wire: WireArchive, **facts) -> ArchiveSection:
    """An archive as it is configured."""
    return ArchiveSection(**{"name": "pacs", "kind": "dimse", "to": str(wire.peer), **facts})


def test_each_archive_says_what_it_answers_and_offers(archives, authority):
    """In the clear and over TLS, for C-GET and for C-MOVE; where there is none that is told."""
    first = section(archives[False], tls=False)
    second = section(archives[True], name="vna", roots=authority.roots, retrieve="move")
    assert look("archives", archive=(first, second)) == (
        f"pacs: {archives[False].peer} answers C-FIND and offers C-GET; "
        f"vna: {archives[True].peer} answers C-FIND and offers C-MOVE"
    )
    assert look("archives") == "none"


def test_archives_that_do_not_answer_are_named_one_by_one(archives, closed_port, tmp_path):
    """One is gone, one is no DICOMweb server, one shows a certificate that nobody knows."""
    gone = ArchiveSection(name="gone", kind="dimse", to=f"A@127.0.0.1:{closed_port}", tls=False)
    web = ArchiveSection(name="web", kind="dicomweb", to=f"http://127.0.0.1:{closed_port}/", tls=False)
    strange = section(archives[True], name="strange", roots=Authority(tmp_path / "others").roots)
    well = section(archives[False], name="well", tls=False)
    with pytest.raises(ServiceError) as caught:
        look("archives", archive=(gone, web, strange, well))
    assert str(caught.value).split("; ") == [
        "gone: it cannot be reached, or does not answer",
        "web: the archive cannot be read: ConnectionRefusedError",
        "strange: it cannot be reached, or does not answer",
    ]


def test_a_pacs_behind_tls_is_asked_like_any_other(context, authority, tmp_path):
    """It answers C-ECHO; with a certificate that nobody knows it does not."""
    entity = AE(ae_title="PACS")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    to = f"PACS@127.0.0.1:{server.server_address[1]}"
    known = DestinationSection(name="pacs", kind="dicom", to=to, roots=authority.roots)
    strange = DestinationSection(name="x", kind="dicom", to=to, roots=Authority(tmp_path / "others").roots)
    try:
        seen = look("destinations", destination="none", destinations=(known,))
        assert seen == f"pacs: {to} answers C-ECHO"
        with pytest.raises(ServiceError, match="x: the destination cannot be reached"):
            look("destinations", destination="none", destinations=(known, strange))
    finally:
        server.shutdown()


@pytest.mark.parametrize("url", ["sqlite://host/journal.db", "postgresql://u:sesame@h:port/x"])
def test_an_address_of_the_journal_that_cannot_be_read_is_told_without_it(url):
    """A file on a host, a port that is no number; there may be a password in it."""
    with pytest.raises(ServiceError, match=r"^the journal's URL cannot be read$"):
        look("database", journal_url=url)


def test_files_of_tls_that_cannot_be_read_are_named(tmp_path):
    """As the service would name them."""
    files = {"tls_certificate": tmp_path / "our.pem", "tls_key": tmp_path / "our.key"}
    with pytest.raises(ServiceError, match=r"our\.pem"):
        look("TLS", **files)


def test_who_may_call_is_read_as_the_service_reads_it(tmp_path):
    """How many a file names, and which issuer is trusted; a file with a mistake is ill."""
    (file := tmp_path / "access.toml").write_text(
        '[[who]]\nname = "console"\nrole = "admin"\ncertificate = "console"\n'
    )
    issuer = {"oidc_issuer": "https://id.example", "oidc_audience": "millet"}
    assert look("callers") == "nobody is asked who calls"
    assert look("callers", access_file=file, **issuer) == f"1 in {file}, and whom https://id.example names"
    file.write_text('[[who]]\nname = "console"\n')
    with pytest.raises(ServiceError, match=r"access\.toml: who 1: either token_sha256 or certificate"):
        look("callers", access_file=file)
    with pytest.raises(OSError, match=r"gone\.toml"):
        look("callers", access_file=tmp_path / "gone.toml")


def test_sets_of_criteria_are_read_as_the_service_reads_them(tmp_path):
    """A folder that holds none is ill."""
    assert look("criteria") == "ours alone"
    with pytest.raises(ServiceError, match="criteria_dir: 0 files"):
        look("criteria", criteria_dir=tmp_path)
    own = replace(LUNG_MILIARY, identifier="lung-of-ours", version="north-1")
    (tmp_path / "a.toml").write_text(criteria_toml.encode(own), "utf-8")
    assert look("criteria", criteria_dir=tmp_path) == "lung-of-ours"


def test_the_port_of_lent_detectors_is_one_of_the_ports():
    """Where detectors are lent: one that is taken is told."""
    ports = {name: free_port() for name in ("dicom_port", "grpc_port", "web_port")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"{port}"):
            look("ports", kserve_port=port, **ports)
