"""TLS over real sockets: who gets in, which versions, and certificates that are renewed meanwhile."""

import socket
import ssl
import threading
from datetime import UTC, datetime

import pytest
from certificates import Authority, put

from millet.core.doors import Certificate
from millet.edge.tls import Files, ServerTls, client_context, days_left, peer_certificate
from millet.errors import SettingsError

TURNED_AWAY = (ssl.SSLError, ConnectionError)
"""What a client sees; with TLS 1.3 only when it first reads."""


class Door:
    """A server that takes one connection after another and keeps what it saw of each client."""

    def __init__(self, context) -> None:
        self.seen: list[Certificate | str | None] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            plain.settimeout(10)
            try:
                with self._context().wrap_socket(plain, server_side=True) as connection:
                    if (word := connection.recv(16)) == b"close":
                        return
                    self.seen.append(peer_certificate(connection))
                    connection.sendall(word)
            except (OSError, ssl.SSLError) as error:
                self.seen.append(type(error).__name__)

    def close(self, context: ssl.SSLContext) -> None:
        """End the thread with a word of a client that is let in."""
        with connected(self.port, context) as connection:
            connection.sendall(b"close")
        self._thread.join(10)
        self._listener.close()


def connected(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection that has shaken hands."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def spoken(port: int, context: ssl.SSLContext) -> tuple[str, str]:
    """Say something and hear it back; version and the server's fingerprint's subject."""
    with connected(port, context) as connection:
        connection.sendall(b"hello")
        assert connection.recv(16) == b"hello"
        subject = dict(pair for part in connection.getpeercert()["subject"] for pair in part)
        return connection.version(), subject["commonName"]


@pytest.fixture
def authority(tmp_path):
    """A hospital's own authority."""
    return Authority(tmp_path / "hospital")


@pytest.fixture
def files(authority):
    """The server's files, with mutual authentication."""
    pair = authority.issue("millet")
    return Files(certificate=pair.certificate, key=pair.key, roots=authority.roots)


@pytest.fixture
def scanner(authority):
    """A client with a certificate of the hospital."""
    pair = authority.issue("CT1")
    return client_context(authority.roots, pair.certificate, pair.key)


@pytest.fixture
def told():
    """What was told of renewals."""
    return []


@pytest.fixture
def door(files, scanner, told):
    """A server with mutual authentication; fails the test's end if its thread does not end."""
    made = Door(ServerTls(files, require=True, told=told.append).context)
    yield made
    made.close(scanner)


def test_a_client_with_a_certificate_comes_in_and_is_recognised(door, authority, scanner):
    """Subject and fingerprint are those of its certificate, over TLS 1.3."""
    assert spoken(door.port, scanner) == ("TLSv1.3", "millet")
    sha256 = authority.issue("CT1", at="again").sha256
    (seen,) = door.seen
    assert seen.common_name == "CT1"
    assert len(seen.sha256) == 64
    assert seen.sha256 != sha256


def test_a_client_without_certificate_or_of_another_authority_stays_outside(
    door, authority, scanner, tmp_path
):
    """The handshake fails on the server's side; nothing it says is read, and the next is served."""
    other = Authority(tmp_path / "other")
    foreign = other.issue("CT1")
    strangers = [
        client_context(authority.roots, None, None),
        client_context(authority.roots, foreign.certificate, foreign.key),
    ]
    for context in strangers:
        with pytest.raises(TURNED_AWAY):
            spoken(door.port, context)
    spoken(door.port, scanner)
    *outside, inside = door.seen
    assert outside == ["SSLError", "SSLCertVerificationError"]
    assert inside.common_name == "CT1"


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
def test_old_suites_are_refused_and_tls_1_2_with_good_ones_is_taken(door, scanner, ciphers):
    """CBC suites of TLS 1.2 find nothing in common; AES-GCM does."""
    scanner.maximum_version = ssl.TLSVersion.TLSv1_2
    assert spoken(door.port, scanner)[0] == "TLSv1.2"
    suites = scanner.get_ciphers()
    scanner.set_ciphers(ciphers)
    with pytest.raises(OSError, match=r"(?i)handshake|reset"):
        spoken(door.port, scanner)
    scanner.set_ciphers(":".join(one["name"] for one in suites if one["protocol"] == "TLSv1.2"))


def test_tls_1_1_is_refused(door, scanner, authority):
    """What BCP 195 forbids is not spoken, even with a client that would."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(authority.roots)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError, match=r"(?i)version|protocol"):
        spoken(door.port, old)


def test_a_renewed_certificate_is_shown_without_a_restart(door, authority, scanner, told):
    """The next connection gets it; one that is open goes on."""
    with connected(door.port, scanner) as open_one:
        authority.issue("millet renewed", at="millet")
        open_one.sendall(b"hello")
        assert open_one.recv(16) == b"hello"
    assert spoken(door.port, scanner)[1] == "millet renewed"
    assert told == [""]


def test_a_broken_new_file_keeps_the_old_certificate_and_is_told_once(door, files, scanner, told):
    """Rubbish is told with the file's name, once, and goes away with the next good file."""
    good = files.certificate.read_bytes()
    put(files.certificate, b"rubbish")
    assert [spoken(door.port, scanner)[1] for _ in range(3)] == ["millet"] * 3
    (why,) = told
    assert str(files.certificate) in why
    put(files.certificate, good)
    assert spoken(door.port, scanner)[1] == "millet"
    assert told[1:] == [""]


def test_a_key_of_another_certificate_is_told(door, authority, files, scanner, told):
    """Between the two steps of a renewal the old pair stays in use."""
    put(files.key, authority.issue("else").key.read_bytes())
    assert spoken(door.port, scanner)[1] == "millet"
    assert "MISMATCH" in told[0]


def test_renewed_roots_let_in_whom_they_know(door, authority, files, scanner, tmp_path):
    """An authority that is added is trusted from the next connection on."""
    new = Authority(tmp_path / "new")
    pair = new.issue("CT2")
    newcomer = client_context(authority.roots, pair.certificate, pair.key)
    with pytest.raises(TURNED_AWAY):
        spoken(door.port, newcomer)
    put(files.roots, files.roots.read_bytes() + new.roots.read_bytes())
    assert spoken(door.port, newcomer)[1] == "millet"
    assert door.seen[-1].common_name == "CT2"


def test_a_server_that_takes_one_context_follows_renewals_too(authority, files, scanner, told, tmp_path):
    """Certificate and roots of each handshake are the newest, as for asyncio's servers."""
    anchor = ServerTls(files, require=True, told=told.append).following()
    door = Door(lambda: anchor)
    try:
        assert spoken(door.port, scanner)[1] == "millet"
        authority.issue("millet renewed", at="millet")
        assert spoken(door.port, scanner)[1] == "millet renewed"
        new = Authority(tmp_path / "new")
        pair = new.issue("CT2")
        put(files.roots, files.roots.read_bytes() + new.roots.read_bytes())
        assert spoken(door.port, client_context(authority.roots, pair.certificate, pair.key))[1]
        assert door.seen[-1].common_name == "CT2"
    finally:
        door.close(scanner)


def test_an_optional_certificate_may_be_missing_but_not_wrong(files, authority, scanner, tmp_path):
    """A probe without one comes in as nobody; one of another authority does not."""
    door = Door(ServerTls(files, require=False, told=print).context)
    try:
        spoken(door.port, client_context(authority.roots, None, None))
        assert door.seen == [None]
        foreign = Authority(tmp_path / "other").issue("CT1")
        with pytest.raises(TURNED_AWAY):
            spoken(door.port, client_context(authority.roots, foreign.certificate, foreign.key))
    finally:
        door.close(scanner)


def test_a_client_does_not_speak_to_a_server_that_is_another(door, tmp_path, files, scanner):
    """Neither one of an unknown authority nor one of another name is spoken to."""
    with pytest.raises(ssl.SSLCertVerificationError):
        spoken(door.port, client_context(Authority(tmp_path / "other").roots, None, None))
    plain = socket.create_connection(("127.0.0.1", door.port), timeout=10)
    with plain, pytest.raises(ssl.SSLCertVerificationError):
        scanner.wrap_socket(plain, server_hostname="pacs.example")


@pytest.mark.parametrize("missing", ["certificate", "key", "roots"])
def test_files_that_cannot_be_used_refuse_to_start(files, missing):
    """The sentence names the file."""
    path = getattr(files, missing)
    path.unlink()
    with pytest.raises(SettingsError, match=path.name):
        ServerTls(files, require=True, told=print)


def test_the_days_left_are_those_of_the_chain_s_soonest(authority):
    """A chain is as good as its first certificate to expire; one that has expired counts below nothing."""
    now = datetime.now(UTC)
    pair, short, over = (authority.issue(f"d{days}", days=days) for days in (90, 12, -3))
    assert days_left(pair.certificate, now) == pytest.approx(90, abs=0.1)
    chain = authority.folder / "chain.pem"
    chain.write_bytes(pair.certificate.read_bytes() + short.certificate.read_bytes())
    assert days_left(chain, now) == pytest.approx(12, abs=0.1)
    assert days_left(over.certificate, now) == pytest.approx(-3, abs=0.1)
