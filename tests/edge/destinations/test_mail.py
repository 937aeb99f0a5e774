"""Mail, handed to a real server."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest
from deliveries import DELIVERY
from instances import START_UTC
from listeners import Listener, cut, hang
from mail_server import PASSWORD, Mailbox
from notices import URGENT, news

from millet.codec import notice
from millet.core.language import Language
from millet.core.notification import Change, Identify
from millet.edge.destinations import Letter, MailDestination, MailServer
from millet.errors import DeliveryError

NOTICE = replace(DELIVERY, kind="notice-0123456789ab")
ENCODED = notice.encode("ward", [news(URGENT, Change.RAISED)], Identify.NOTHING, START_UTC)
WARD, DESK = "ward@hospital.example", "desk@hospital.example"


@pytest.fixture
def mailbox():
    """Make mail servers that end."""
    made = []

    def make(*told, **more):
        made.append(Mailbox(*told, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


def mail(port, *, to=(WARD, DESK), language=Language.ENGLISH, tls=None, **more):
    """A destination that hands mail to a server."""
    server = MailServer(host="127.0.0.1", port=port, tls=tls, **{"timeout_s": 5.0} | more)
    letter = Letter(
        sender="millet@hospital.example", recipients=to, language=language, now_utc=lambda: START_UTC
    )
    return MailDestination(server, letter)


def failure(destination):
    """How a delivery fails."""
    with pytest.raises(DeliveryError) as failed:
        destination.deliver(NOTICE, ENCODED)
    return failed.value


def test_a_notification_is_a_mail_to_everybody(mailbox):
    """In one message, from us, made by no person, and with no identifier of the study."""
    box = mailbox()
    mail(box.port).deliver(NOTICE, ENCODED)
    ((envelope, message),) = box.came
    assert (envelope.mail_from, envelope.rcpt_tos) == ("millet@hospital.example", [WARD, DESK])
    assert (message["From"], message["To"]) == ("millet@hospital.example", f"{WARD}, {DESK}")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == START_UTC.replace(microsecond=0)
    written = notice.mail(ENCODED, Language.ENGLISH)
    assert message["Subject"] == written.subject
    assert message.get_content().splitlines() == written.text.splitlines()


def test_a_mail_is_in_the_language_of_the_service(mailbox):
    """With its letters."""
    box = mailbox()
    withdrawn = notice.encode(
        "ward", [news(URGENT, Change.WITHDRAWN, before=URGENT)], Identify.NOTHING, START_UTC
    )
    mail(box.port, language=Language.GERMAN).deliver(NOTICE, withdrawn)
    ((_, message),) = box.came
    assert "zurückgenommen" in message["Subject"]
    assert "unauffällig" in message.get_content()


def test_every_try_of_a_mail_has_the_same_id(mailbox):
    """So that a mailbox knows the second; another notification has another one."""
    box = mailbox()
    for one in (NOTICE, replace(NOTICE, attempts=2), replace(NOTICE, path="cc/dd")):
        mail(box.port).deliver(one, ENCODED)
    ids = [message["Message-ID"] for _, message in box.came]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("at_once", [False, True])
def test_mail_goes_over_tls_with_a_password(mailbox, trust, tmp_path, at_once):
    """After STARTTLS or from the first byte; the password is read each time."""
    box = mailbox(trust.context(), at_once=at_once, asks=True)
    password = tmp_path / "password"
    told = {"tls": trust.trusting, "tls_at_once": at_once, "user": "millet", "password_file": password}
    assert str(failure(mail(box.port, **told))) == "the password cannot be read: FileNotFoundError"
    password.write_text("wrong")
    failed = failure(mail(box.port, **told))
    assert (failed.away, str(failed)) == (True, "the destination does not take our password")
    password.write_text(f"{PASSWORD}\n")
    mail(box.port, **told).deliver(NOTICE, ENCODED)
    assert len(box.came) == 1


@pytest.mark.parametrize("at_once", [False, True])
def test_a_server_that_nobody_knows_is_told_nothing(mailbox, trust, at_once):
    """Neither mail nor password: its certificate is verified."""
    box = mailbox(trust.context(trust.stranger), at_once=at_once)
    failed = failure(mail(box.port, tls=trust.trusting, tls_at_once=at_once))
    assert failed.away
    assert str(failed) == "the destination cannot be trusted"
    assert not box.came


def test_a_server_without_tls_is_told_nothing(mailbox, trust):
    """Nothing falls back to a mail in the clear."""
    box = mailbox()
    failed = failure(mail(box.port, tls=trust.trusting))
    assert (failed.away, str(failed)) == (True, "the destination does not agree on TLS")
    assert not box.came


def test_a_server_that_takes_no_password_gets_no_mail(mailbox, trust, tmp_path):
    """It waits for the configuration: who asks for a password to be shown means another server."""
    box, password = mailbox(trust.context()), tmp_path / "password"
    password.write_text(PASSWORD)
    failed = failure(mail(box.port, tls=trust.trusting, user="millet", password_file=password))
    assert (failed.away, str(failed)) == (True, "the destination does not take our password")
    assert not box.came


@pytest.mark.parametrize(
    ("answers", "retryable", "why"),
    [
        ({"data": "451 try later, Doe^Jane"}, True, "SMTP 451"),
        ({"data": "554 no, Doe^Jane"}, False, "SMTP 554"),
        ({WARD: "450 busy", DESK: "450 busy"}, True, "SMTP 450 for 2 of 2 recipients"),
        ({WARD: "550 nobody", DESK: "550 nobody"}, False, "SMTP 550 for 2 of 2 recipients"),
        ({DESK: "450 busy"}, True, "SMTP 450 for 1 of 2 recipients"),
        ({DESK: "550 nobody"}, False, "SMTP 550 for 1 of 2 recipients"),
    ],
)
def test_a_refusal_says_whether_to_try_again(mailbox, answers, retryable, why):
    """Of the message or of any recipient: nobody is left out in silence, no word of the server is told."""
    box = mailbox()
    box.answers = answers
    failed = failure(mail(box.port))
    assert (failed.retryable, failed.away) == (retryable, False)
    assert str(failed) == f"the destination answered {why}"


@pytest.mark.parametrize("script", [hang, cut])
def test_a_server_that_misbehaves_costs_a_bounded_time(script):
    """It is tried again later."""
    began_s = monotonic()
    with Listener(script) as listener:
        failed = failure(mail(listener.port, timeout_s=0.5, limit_s=1.0))
    assert failed.retryable
    assert monotonic() - began_s < 5


def test_what_is_no_notification_is_no_mail(mailbox):
    """It is given up at once, and nothing is sent."""
    box = mailbox()
    with pytest.raises(DeliveryError, match="cannot be sent as mail") as failed:
        mail(box.port).deliver(NOTICE, b"\0")
    assert not failed.value.retryable
    assert not box.came
