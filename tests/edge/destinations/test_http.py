from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest
from deliveries import DELIVERY
from listeners import Listener, cut, dribble, hang
from web_server import Server

from millet.edge.destinations import Door, HttpDestination
from millet.edge.destinations.posting import LONGEST_ANSWER
from millet.errors import DeliveryError


@pytest.fixture
def server():
    """A server in the clear."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def encrypted(trust):
    """Make a server over TLS."""
    made = []

    def make(*papers, **more):
        made.append(Server(trust.context(*papers, **more)))
        return made[-1]

    yield make
    for one in made:
        one.end()


def failure(destination, encoded=b"report"):
    """How a delivery fails."""
    with pytest.raises(DeliveryError) as failed:
        destination.deliver(DELIVERY, encoded)
    return failed.value


def test_an_object_is_posted_with_its_media_type(server):
    """As it is, with its length, to the address that is configured."""
    HttpDestination(server.door("/in/reports")).deliver(DELIVERY, b"\0report" * 100_000)
    ((path, headers, body),) = server.came
    assert (path, body) == ("/in/reports", b"\0report" * 100_000)
    assert headers["Content-Type"] == "application/dicom"
    assert "Authorization" not in headers


def test_every_try_of_an_object_has_the_same_key_and_no_other_object_has_it(server):
    """So a server that has it already knows; no identifier of the series stands in a header."""
    destination = HttpDestination(server.door())
    others = {"generation": 2, "kind": "seg", "path": "cc/dd", "series_uid": "1.2.3", "site": "south"}
    tries = [DELIVERY, replace(DELIVERY, attempts=3, delivery_id=9)]
    for one in [*tries, *(replace(DELIVERY, **{name: value}) for name, value in others.items())]:
        destination.deliver(one, b"report")
    keys = [headers["Idempotency-Key"] for _, headers, _ in server.came]
    assert keys[0] == keys[1]
    assert len(set(keys[1:])) == len(others) + 1
    assert DELIVERY.series_uid not in "".join(str(headers) for _, headers, _ in server.came)


def test_a_token_is_read_for_each_request(server, tmp_path):
    """A token that was renewed is used at once; one that is missing is said."""
    token = tmp_path / "token"
    destination = HttpDestination(server.door(token_file=token))
    assert failure(destination).away
    for text in ("first\n", "second"):
        token.write_text(text)
        destination.deliver(DELIVERY, b"report")
    told = [headers["Authorization"] for _, headers, _ in server.came]
    assert told == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("status", "retryable", "away"),
    [(400, False, False), (422, False, False), (429, True, False), (500, True, False), (503, True, True)],
)
def test_a_refusal_says_whether_to_try_again(server, status, retryable, away):
    """And names the status, not the words of the server, which may name a patient."""
    server.status, server.body = status, b"Doe^Jane"
    failed = failure(HttpDestination(server.door()))
    assert (failed.retryable, failed.away) == (retryable, away)
    assert str(failed) == f"the destination answered HTTP {status}"


@pytest.mark.parametrize(
    ("after", "after_s"), [("120", 120), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-5", 0), ("9" * 400, 86_400)]
)
def test_a_server_may_ask_for_time(server, after, after_s):
    """Retry-After in seconds is told, within a day; a date is not read."""
    server.status, server.headers = 503, {"Retry-After": after}
    assert failure(HttpDestination(server.door())).after_s == after_s


def test_a_redirect_is_not_followed(server):
    """Reports go where the configuration says, and nowhere else."""
    with Listener(hang) as elsewhere:
        server.status, server.headers = 307, {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        assert failure(HttpDestination(server.door())).away
        assert elsewhere.connections == 0


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    """What somebody set for other programs does not lead reports elsewhere."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    HttpDestination(server.door()).deliver(DELIVERY, b"report")
    assert len(server.came) == 1


def test_a_long_answer_is_not_read_to_its_end(server):
    """What is said of one object is short; the status counts."""
    server.body = b"x" * (20 * LONGEST_ANSWER)
    HttpDestination(server.door()).deliver(DELIVERY, b"report")


def test_nobody_there():
    """The destination is away."""
    failed = failure(HttpDestination(Door(url="http://127.0.0.1:1/", timeout_s=5)))
    assert (failed.away, str(failed)) == (True, "the destination cannot be reached")


@pytest.mark.parametrize("script", [hang, cut], ids=["hangs", "cuts"])
def test_a_server_that_does_not_answer_is_given_up(script):
    """It was reached, so this try counts."""
    with Listener(script) as listener:
        door = Door(url=f"http://127.0.0.1:{listener.port}/", timeout_s=0.3)
        failed = failure(HttpDestination(door), b"x" * 5_000_000)
    assert (failed.retryable, failed.away) == (True, False)


def test_a_server_that_answers_without_end_is_cut_off():
    """Each wait is short, and yet there is a limit for all of them together."""
    with Listener(dribble) as listener:
        door = Door(url=f"http://127.0.0.1:{listener.port}/", timeout_s=5, limit_s=0.5)
        started_s = monotonic()
        failed = failure(HttpDestination(door))
        assert monotonic() - started_s < 5
    assert str(failed) == "the destination took too long"


def test_a_certificate_of_our_authority_is_trusted(encrypted, trust):
    """The report arrives encrypted."""
    server = encrypted()
    HttpDestination(server.door(tls=trust.trusting)).deliver(DELIVERY, b"report")
    assert len(server.came) == 1


def test_a_certificate_that_we_do_not_trust_gets_nothing(encrypted, trust):
    """Neither another authority's nor, by default, anything that this machine does not trust."""
    server = encrypted(trust.stranger)
    for more in ({"tls": trust.trusting}, {}):
        failed = failure(HttpDestination(server.door(**more)))
        assert (failed.away, str(failed)) == (True, "the destination cannot be trusted")
    assert server.came == []


def test_a_certificate_of_another_host_gets_nothing(trust):
    """The name that is configured is the one that the certificate must bear."""
    server = Server(trust.context())
    try:
        door = replace(server.door(tls=trust.trusting), url=f"https://127.0.0.2:{server.server_port}/")
        other = HttpDestination(door)
        assert failure(other).away
    finally:
        server.end()
    assert server.came == []


def test_who_asks_for_a_certificate_is_shown_ours(encrypted, trust):
    """Mutual authentication; without a certificate of ours nothing is taken."""
    server = encrypted(mutual=True)
    assert failure(HttpDestination(server.door(tls=trust.trusting))).retryable
    HttpDestination(server.door(tls=trust.known)).deliver(DELIVERY, b"report")
    assert len(server.came) == 1


def test_files_that_are_not_there_are_said(server, trust, tmp_path):
    """A mistake in the configuration is one of the whole destination, and nothing is sent in the clear."""
    tls = replace(trust.trusting, roots=tmp_path / "absent.pem")
    door = replace(server.door(tls=tls), url=server.door().url.replace("http", "https"))
    assert failure(HttpDestination(door)).away
    assert server.came == []
