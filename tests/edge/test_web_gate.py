"""The gate before the page, and the hygiene of HTTP: asked over real sockets, with and without TLS."""

import asyncio
import http.client
import socket
import ssl
import threading
from types import MappingProxyType

import pytest
from analyses import analysis
from certificates import Authority
from gates import MemoryGate
from sites import sources
from worklists import MemoryWorklist, status

from millet.core.roles import Role
from millet.edge.tls import Files, ServerTls, client_context, peer_certificate
from millet.edge.web import WebDoor, WebServer
from millet.edge.web.hygiene import BodyLimit

SERIES = "/series/default/1.2.826.0.1.1"
FORM = b"by=Somebody+Else&generation=1&level=notable&request=r1&back=%2F%3Fpage%3D2"


class Site:
    """A running server with one analysed series."""

    def __init__(self) -> None:
        self.gate = MemoryGate()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.port = 0

    def start(self, facts=MappingProxyType({}), **door) -> None:
        """Serve from a thread of its own."""
        worklist = MemoryWorklist()
        worklist.put(status(1), analysis(2))
        self.worklist = worklist
        self.server = WebServer(sources(worklist, **facts), WebDoor(**door))
        self.thread.start()
        self.port = self._wait(self.server.start("127.0.0.1", 0))

    def _wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self) -> None:
        """Stop the server and its thread."""
        if self.port:
            self._wait(self.server.stop())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.loop.close()

    def ask(self, path, method="GET", headers=None, body=None, context=None):
        """One request on a connection of its own: status, headers and body."""
        if context is None:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            line = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        try:
            line.request(method, path, body=body, headers=headers or {})
            answer = line.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            line.close()


@pytest.fixture
def site():
    """A site that is not started yet."""
    made = Site()
    yield made
    made.stop()


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "path", ["/", SERIES, f"{SERIES}/mip-axial.png", "/metrics", "/nothing", "//", "/Static/x"]
)
def test_whoever_shows_no_token_gets_nothing(site, path):
    """401 with the way to do better; not even whether there is something at an address."""
    site.start(gate=site.gate)
    status_code, headers, body = site.ask(path)
    assert (status_code, headers["www-authenticate"]) == (401, "Bearer")
    assert b"nodule" not in body
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert site.ask(path, headers={"authorization": "Basic viewer-token"})[0] == 401
    assert site.gate.given == []


@pytest.mark.parametrize("end", ["%0A", "%0D", "%00", "%E2%80%A8"])
def test_a_path_that_ends_in_what_cannot_be_seen_is_no_way_round_a_role(site, end):
    """A router may take it for the path without that end, which needs more."""
    site.start(gate=site.gate)
    for method, body in (("GET", None), ("POST", FORM)):
        assert site.ask(f"{SERIES}/acknowledge{end}", method, bearer("viewer-token"), body)[0] == 403
    assert [line.acknowledgement for line in site.worklist.statuses.values()] == [None]


def test_a_method_of_the_caller_s_own_making_is_not_repeated(site):
    """Else everybody could fill the audit trail with words."""
    site.start(gate=site.gate)
    assert [site.ask("/", method)[0] for method in ("FOO", "X" * 3000)] == [401, 401]
    assert {asked.what for asked in site.gate.asked} == {"another method /"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/startupz", "/static/millet.css"])
def test_probes_and_what_lies_still_are_open(site, path):
    """Kubernetes holds no token."""
    site.start(gate=site.gate)
    assert site.ask(path)[0] == 200
    assert site.gate.asked == []


def test_a_role_opens_its_pages_and_what_is_read_is_told(site):
    """A viewer reads series and no metrics; ops reads both; what is not there is no reading."""
    site.start(gate=site.gate)
    answers = {
        (role, path): site.ask(path, headers=bearer(f"{role}-token"))[0]
        for role in ("viewer", "ops")
        for path in ("/", SERIES, "/metrics", "/nothing", "/series/default/9.9")
    }
    assert [answers["viewer", p] for p in ("/", SERIES, "/metrics", "/nothing")] == [200, 200, 403, 403]
    assert [answers["ops", p] for p in ("/", SERIES, "/metrics", "/nothing")] == [200, 200, 200, 403]
    assert answers["viewer", "/series/default/9.9"] == 404
    assert site.gate.given[:2] == [
        ("viewer", "GET /", ""),
        ("viewer", "GET /series/{site}/{series_uid}", "1.2.826.0.1.1"),
    ]
    assert len(site.gate.given) == 5
    assert {asked.shown.address for asked in site.gate.asked} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ([], "10.1.7.3", "127.0.0.1"),
        (["10.1.9.0/24"], "10.1.7.3", "127.0.0.1"),
        (["127.0.0.1"], "10.1.7.3", "10.1.7.3"),
        (["127.0.0.0/8", "10.1.9.0/24"], "10.6.6.6, 10.1.7.3, 10.1.9.4", "10.1.7.3"),
        (["127.0.0.1"], "", "127.0.0.1"),
    ],
)
def test_only_a_proxy_says_for_whom_it_asks(site, proxies, forwarded, address):
    """Of anybody else such words are ignored, and what a caller says to the proxy is not believed either."""
    site.start(gate=site.gate, proxies=proxies)
    named = {"x-forwarded-for": forwarded} if forwarded else {}
    site.ask("/", headers={**bearer("viewer-token"), **named})
    assert [asked.shown.address for asked in site.gate.asked] == [address]


@pytest.mark.parametrize(("proxies", "secured"), [([], False), (["127.0.0.1"], True)])
def test_only_a_proxy_says_that_there_is_tls(site, proxies, secured):
    """Then a cookie is bound to the host and to TLS."""
    site.start(gate=site.gate, proxies=proxies)
    headers = {"x-forwarded-proto": "https", "content-type": "application/x-www-form-urlencoded"}
    status_code, given, _ = site.ask("/signin", "POST", headers, b"token=viewer-token")
    assert status_code == 303
    assert given["set-cookie"].startswith("__Host-millet=") == ("Secure" in given["set-cookie"]) == secured
    assert not [asked for asked in site.gate.asked if "1.2.826" in asked.what]


def test_a_role_names_the_patient_and_lets_acknowledge(site):
    """A viewer reads without names where they are for readers, and may not acknowledge."""
    site.start(facts={"show_patient": True, "show_to": Role.READER}, gate=site.gate)
    form = f"{SERIES}/acknowledge"
    seen = {
        role: site.ask(SERIES, headers=bearer(f"{role}-token"))[2].decode() for role in ("viewer", "reader")
    }
    assert ["Müller^Jürgen" in seen["viewer"], "Müller^Jürgen" in seen["reader"]] == [False, True]
    assert ["PID-000001" in seen["viewer"], "PID-000001" in seen["reader"]] == [False, True]
    assert [f'href="{form}' in seen[role] for role in ("viewer", "reader")] == [False, True]
    assert site.ask(form, headers=bearer("viewer-token"))[0] == 403
    assert site.ask(form, "POST", bearer("viewer-token"), FORM)[0] == 403
    code, headers, _ = site.ask(form, "POST", bearer("reader-token"), FORM)
    assert (code, headers["location"]) == (303, "/?page=2")
    (line,) = site.worklist.statuses.values()
    assert (line.acknowledgement.by.name, line.acknowledgement.by.recognised) == ("reader", True)


def test_a_study_is_not_acknowledged_from_another_site_s_page(site):
    """Whoever is signed in may be led there, and nothing happens."""
    site.start()
    for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert site.ask(f"{SERIES}/acknowledge", "POST", foreign, FORM)[0] == 403
    assert not [line for line in site.worklist.statuses.values() if line.acknowledgement]


@pytest.fixture
def authority(tmp_path):
    """A hospital's own authority."""
    return Authority(tmp_path / "hospital")


@pytest.fixture
def tls(authority):
    """The server's TLS, where clients may show a certificate."""
    pair = authority.issue("millet")
    files = Files(certificate=pair.certificate, key=pair.key, roots=authority.roots)
    return ServerTls(files, require=False, told=print).following()


def test_over_tls_a_certificate_names_its_holder_and_a_token_still_does(site, authority, tls):
    """Either is enough; neither is nothing; and browsers are told to stay with TLS."""
    site.start(gate=site.gate, tls=tls, certificate_of=peer_certificate)
    pair = authority.issue("console")
    console = client_context(authority.roots, pair.certificate, pair.key)
    nobody = client_context(authority.roots, None, None)
    status_code, headers, _ = site.ask("/metrics", context=console)
    assert status_code == 200
    assert "max-age" in headers["strict-transport-security"]
    assert site.ask("/", context=nobody)[0] == 401
    assert site.ask("/", context=nobody, headers=bearer("viewer-token"))[0] == 200
    assert [who for who, _, _ in site.gate.given] == ["admin", "viewer"]


def test_a_port_with_tls_speaks_nothing_else(site, tls, authority, tmp_path):
    """Neither in the clear, nor with a certificate of another authority."""
    site.start(gate=site.gate, tls=tls, certificate_of=peer_certificate)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        site.ask("/healthz")
    foreign = Authority(tmp_path / "other").issue("console")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        site.ask("/healthz", context=client_context(authority.roots, foreign.certificate, foreign.key))


def test_a_renewed_certificate_is_shown_to_the_next_connection(site, authority, tls):
    """Without a restart."""
    site.start(tls=tls, certificate_of=peer_certificate)
    context = client_context(authority.roots, None, None)

    def subject() -> str:
        plain = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            return dict(pair for part in connection.getpeercert()["subject"] for pair in part)["commonName"]

    assert subject() == "millet"
    authority.issue("renewed", at="millet")
    assert subject() == "renewed"


@pytest.mark.parametrize(
    ("host", "status_code"),
    [
        ("127.0.0.1:8080", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_foreign_name_that_points_here_finds_nothing(site, host, status_code):
    """DNS rebinding: the page answers to its own names; probes have none."""
    site.start(hosts=("localhost", "127.0.0.1", "::1"))
    assert site.ask("/", headers={"host": host})[0] == status_code
    assert site.ask("/healthz", headers={"host": host})[0] == 200


@pytest.mark.parametrize(
    ("headers", "status_code"),
    [
        ({}, 405),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[x"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 405),
    ],
)
def test_another_site_s_page_may_not_send_anything(site, headers, status_code):
    """A program and our own page come as far as the route, which takes no posts."""
    site.start()
    assert site.ask("/", "POST", headers, b"x=1")[0] == status_code


def test_our_own_origin_may_send(site):
    """Host and port of the origin are ours."""
    site.start()
    assert site.ask("/", "POST", {"origin": f"http://127.0.0.1:{site.port}"}, b"x")[0] == 405


@pytest.mark.parametrize("length", [b"65537", b"99999999999999999999999999", b"-1", b"1e3"])
def test_a_body_that_says_it_is_too_long_is_refused_unread(site, length):
    """413, or 400 for what is no length at all."""
    site.start()
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + b"\r\n\r\n")
        answer = line.recv(100)
    assert answer.split()[1] in {b"413", b"400"}


@pytest.mark.parametrize(("pieces", "seen"), [(64, 64 * 1024), (65, None)])
def test_a_body_that_gets_too_long_while_it_comes_is_not_read_on(pieces, seen):
    """Without a length, too: what is behind the limit sees the client gone."""
    got = []

    async def app(_scope, receive, _send):
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                got.append(size)
                return
        got.append(None)

    async def receive():
        nonlocal pieces
        pieces -= 1
        return {"type": "http.request", "body": bytes(1024), "more_body": pieces > 0}

    scope = {"type": "http", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
    asyncio.run(BodyLimit(app)(scope, receive, lambda _message: None))
    assert got == [seen]


def test_every_answer_carries_the_headers(site):
    """Refusals too."""
    site.start(gate=site.gate, hosts=("localhost",))
    for path, host in (("/", "localhost"), ("/", "evil.example"), ("/healthz", "x")):
        headers = site.ask(path, headers={"host": host})[1]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
