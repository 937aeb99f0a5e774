"""The webhook, held against the verifier that receivers use."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from deliveries import DELIVERY
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from web_server import Server

from millet.edge.destinations import WebhookDestination
from millet.errors import DeliveryError

NOTICE = replace(DELIVERY, kind="notice-0123456789ab")
BODY = '{"type": "study.raised", "data": "ü"}'.encode()
KEYS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]


@pytest.fixture
def server():
    """A receiver."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def key(tmp_path):
    """A file with a key."""
    path = tmp_path / "key"
    path.write_text(KEYS[0] + "\n")
    return path


def webhook(server, key, now_utc=lambda: datetime.now(UTC)):
    """A destination that posts to a receiver."""
    return WebhookDestination(server.door("/hook"), key, now_utc)


def headers(server, number=0):
    """What a request said, names in lower case, as frameworks give them."""
    return {name.lower(): value for name, value in server.came[number][1].items()}


def test_a_receiver_verifies_what_it_got(server, key):
    """With the key: as it was sent, and not with one byte changed, nor with another key."""
    webhook(server, key).deliver(NOTICE, BODY)
    ((path, _, body),) = server.came
    assert (path, body) == ("/hook", BODY)
    assert headers(server)["content-type"] == "application/json"
    assert Webhook(KEYS[0]).verify(body, headers(server))["type"] == "study.raised"
    for wrong, changed in ((KEYS[0], body.replace(b"raised", b"lowered")), (KEYS[1], body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(wrong).verify(changed, headers(server))


def test_what_was_overheard_cannot_be_sent_again_later(server, key):
    """The time is signed: an old message is refused by whoever looks at it."""
    old = datetime.now(UTC) - timedelta(hours=1)
    webhook(server, key, lambda: old).deliver(NOTICE, BODY)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(KEYS[0]).verify(BODY, headers(server))


def test_every_try_has_the_same_id(server, key):
    """And another notification has another one; no identifier is in it."""
    for one in (NOTICE, replace(NOTICE, attempts=4, delivery_id=8), replace(NOTICE, path="cc/dd")):
        webhook(server, key).deliver(one, BODY)
    ids = [headers(server, n)["webhook-id"] for n in range(3)]
    assert ids[0] == ids[1] != ids[2]
    assert DELIVERY.study_uid not in ids[0]


def test_a_key_is_changed_without_a_gap(server, key):
    """While the file has both, receivers with either are served; the file is read each time."""
    key.write_text("\n".join(KEYS))
    webhook(server, key).deliver(NOTICE, BODY)
    for one in KEYS:
        Webhook(one).verify(BODY, headers(server))


@pytest.mark.parametrize("written", ["", "whsec_kurz", "whsec_" + "A" * 16, "whsec_" + "A" * 400, "ü"])
def test_a_key_that_is_none_sends_nothing(server, key, written):
    """Unsigned is unsent; it waits for the configuration, and no try is counted."""
    key.write_text(written)
    with pytest.raises(DeliveryError, match="signing key") as failed:
        webhook(server, key).deliver(NOTICE, BODY)
    assert failed.value.away
    assert not server.came


@pytest.mark.parametrize(("status", "retryable"), [(410, False), (500, True)])
def test_a_refusal_says_whether_to_try_again(server, key, status, retryable):
    """As with any HTTP destination."""
    server.status = status
    with pytest.raises(DeliveryError, match=f"HTTP {status}") as failed:
        webhook(server, key).deliver(NOTICE, BODY)
    assert failed.value.retryable is retryable
