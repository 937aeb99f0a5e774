from __future__ import annotations

import json
from email import message_from_bytes

import pytest
from deliveries import DELIVERY
from instances import ct_file
from web_server import Server

from millet.edge.destinations import StowDestination
from millet.errors import DeliveryError

JSON = {"Content-Type": "application/dicom+json; charset=utf-8"}


@pytest.fixture
def server():
    """A server that answers as told."""
    made = Server()
    made.status, made.headers = 200, JSON
    yield made
    made.end()


def failed_with(reason):
    """A Store Instances Response about an instance that failed."""
    return json.dumps(
        {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}
    ).encode()


def test_an_object_is_stored_as_the_file_that_it_is(server):
    """One request to /studies below the service, one part, every byte as it was."""
    StowDestination(server.door("/dicom-web/")).deliver(DELIVERY, ct_file(1))
    ((path, headers, body),) = server.came
    assert path == "/dicom-web/studies"
    assert headers["Accept"] == "application/dicom+json"
    request = message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    (part,) = request.get_payload()
    assert part.get_payload(decode=True) == ct_file(1)


@pytest.mark.parametrize(("status", "body"), [(200, b"{}"), (202, b"{}"), (409, failed_with(0x0111))])
def test_what_is_there_is_delivered(server, status, body):
    """Stored, stored with a warning, and there already."""
    server.status, server.body = status, body
    StowDestination(server.door()).deliver(DELIVERY, ct_file(1))


@pytest.mark.parametrize(
    ("status", "body", "retryable", "said"),
    [
        (409, failed_with(0xA700), True, "HTTP 409, 0xA700"),
        (409, failed_with(0xC000), False, "HTTP 409, 0xC000"),
        (202, failed_with(0x0122), False, "HTTP 202, 0x0122"),
        (503, b"busy", True, "HTTP 503"),
        (400, b"<html>", False, "HTTP 400"),
    ],
)
def test_a_refusal_says_whether_to_try_again(server, status, body, retryable, said):
    """By the reason of the instance where there is one, else by the status."""
    server.status, server.body = status, body
    with pytest.raises(DeliveryError) as failed:
        StowDestination(server.door()).deliver(DELIVERY, ct_file(1))
    assert failed.value.retryable is retryable
    assert str(failed.value) == f"the destination answered {said}"


def test_a_wrong_address_is_refused_at_the_start(server):
    """What is no URL is a mistake of the configuration."""
    with pytest.raises(ValueError, match="HOST"):
        StowDestination(server.door("/x?token=1"))
