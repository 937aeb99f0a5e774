"""The whole service with real receivers: a webhook that verifies, and a mail server."""

from __future__ import annotations

import base64

import pydicom
import pytest
from mail_server import Mailbox
from peers import storescu, until
from standardwebhooks.webhooks import Webhook
from web_server import Server

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def server():
    """A receiver."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def mailbox():
    """A mail server."""
    made = Mailbox()
    yield made
    made.end()


def test_a_study_with_a_mass_is_told_by_webhook_and_mail(millet, small_case, server, mailbox, tmp_path):
    """Once each, in the language of the service, and without an identifier."""
    key = tmp_path / "key"
    key.write_text(KEY)
    to = f"http://127.0.0.1:{server.server_port}/hook"
    hook = {
        "name": "ward",
        "kind": "webhook",
        "to": to,
        "tls": False,
        "key_file": str(key),
        "notify_from": "notable",
    }
    mail = {
        "name": "desk",
        "kind": "mail",
        "to": f"127.0.0.1:{mailbox.port}",
        "tls": False,
        "notify_from": "notable",
        "sender": "millet@hospital.example",
        "recipients": ["desk@hospital.example"],
    }
    service = millet(destinations=[hook, mail], language="de")
    storescu(small_case, service.dicom_port)
    until("both are told", lambda: (server.came and mailbox.came) or None, 400, service.process)

    ((_, headers, body),) = server.came
    told = Webhook(KEY).verify(body, {name.lower(): value for name, value in headers.items()})["data"]
    assert (told["change"], told["before"], told["sequence"]) == ("raised", None, 1)
    assert told["level"] in {"notable", "urgent", "critical"}
    assert all(reason["code"] for reason in told["reasons"])
    ((_, message),) = mailbox.came
    text = message.get_content()
    assert told["reference"] in text
    assert told["reasons"][0]["words"] in text.replace("\r\n", "\n")
    assert "Standort" in text
    counted = [x for x in service.page("metrics").splitlines() if x.startswith("millet_notifications_total")]
    assert len([line for line in counted if 'change="raised"' in line and line.endswith(" 1.0")]) == 2
    one = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    for secret in (one.PatientID, str(one.PatientName), one.StudyInstanceUID, one.SeriesInstanceUID):
        assert str(secret) not in body.decode() + text
