"""The whole service with real receivers: a webhook, a mail server, an HL7 listener, a DICOM worklist."""

from __future__ import annotations

import base64

import pydicom
import pytest
from hl7_listener import Ris
from mail_server import Mailbox
from peers import storescu, until
from standardwebhooks.webhooks import Webhook
from ups import Manager
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


@pytest.fixture
def ris():
    """An HL7 listener."""
    with Ris() as made:
        yield made


@pytest.fixture
def manager():
    """A worklist manager that heard nothing wrong until its end."""
    made = Manager()
    yield made
    made.end()
    assert not made.wrong


def listing(ris, manager):
    """Sections of the settings for systems that keep an entry for each study."""
    told = {"tls": False, "notify_from": "notable"}
    oru = {"name": "ris", "kind": "oru", "to": f"127.0.0.1:{ris.port}"}
    ups = {
        "name": "lists",
        "kind": "ups",
        "to": f"LISTS@127.0.0.1:{manager.peer.port}",
        "identify": "study",
        "archive_ae": "PACS",
    }
    return [oru | told, ups | told]


def test_a_study_with_a_mass_is_told_to_whoever_asked(
    millet, small_case, server, mailbox, ris, manager, tmp_path
):
    """Once each, in the language of the service; no patient is named, and no study but to the worklist."""
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
    service = millet(destinations=[hook, mail, *listing(ris, manager)], language="de")
    storescu(small_case, service.dicom_port)

    def told_all():
        return all((server.came, mailbox.came, ris.taken, manager.tasks)) or None

    until("all are told", told_all, 400, service.process)

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

    def counted():
        lines = [
            x for x in service.page("metrics").splitlines() if x.startswith("millet_notifications_total")
        ]
        return len([x for x in lines if 'change="raised"' in x and x.endswith(" 1.0")]) == 4 or None

    until("all are counted", counted, 60, service.process)
    one = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    for secret in (one.PatientID, str(one.PatientName), one.StudyInstanceUID, one.SeriesInstanceUID):
        assert str(secret) not in body.decode() + text + ris.taken[0].decode()
    (task,) = manager.tasks.values()
    references = task.InputInformationSequence[0].ReferencedSOPSequence
    assert len(references) == len(list(small_case.glob("*.dcm")))
    assert (task.StudyInstanceUID, task.PatientID) == (one.StudyInstanceUID, "")
    assert told["reasons"][0]["words"] in task.CommentsOnTheScheduledProcedureStep
