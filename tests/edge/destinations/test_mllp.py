from __future__ import annotations

import pytest
from deliveries import DELIVERY
from listeners import Listener, cut, dribble, hang

from millet.codec import mllp
from millet.edge.destinations import MllpDestination
from millet.errors import DeliveryError

MESSAGE = b"MSH|^~\\&|MILLET|NORTH|RIS|NORTH|20260102||ORU^R01|C-17|P|2.5.1\rPID|1\r"


class Ris:
    """A listener that acknowledges as told, in pieces, and keeps what it got."""

    def __init__(self, code="AA", about="C-17", error="", context=None) -> None:
        told = f"MSH|^~\\&|RIS|||||20260102||ACK|9|P|2.5.1\rMSA|{code}|{about}|Doe^Jane\r"
        self.answer = (told + (f"ERR|||{error}|E\r" if error else "")).encode()
        self.came = []
        self.listener = Listener(self._serve, context)

    def _serve(self, connection):
        received = b""
        while (message := mllp.unframe(received)) is None:
            received += connection.recv(10)
        self.came.append(message)
        framed = mllp.frame(self.answer)
        for part in (framed[:9], framed[9:-1], framed[-1:]):
            connection.sendall(part)


def to(listener, tls=None, **more):
    """A destination on a listener."""
    return MllpDestination("127.0.0.1", listener.port, tls, **({"timeout_s": 5.0} | more))


def failure(destination, encoded=MESSAGE):
    """How a delivery fails."""
    with pytest.raises(DeliveryError) as failed:
        destination.deliver(DELIVERY, encoded)
    return failed.value


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_that_is_accepted_is_delivered(code):
    """It arrives as it was, in one frame."""
    ris = Ris(code)
    with ris.listener:
        to(ris.listener).deliver(DELIVERY, MESSAGE)
    assert ris.came == [MESSAGE]


@pytest.mark.parametrize(
    ("code", "error", "retryable"),
    [("AE", "101", False), ("AE", "", False), ("AR", "", True), ("AE", "207", True), ("CR", "", False)],
)
def test_a_refusal_says_whether_to_try_again(code, error, retryable):
    """By its codes; its words, which may name a patient, are not told."""
    ris = Ris(code, error=error)
    with ris.listener:
        failed = failure(to(ris.listener))
    assert failed.retryable is retryable
    assert str(failed) == f"the destination answered {f'{code}, {error}' if error else code}"


def test_the_acknowledgement_of_another_message_is_none():
    """Only the one that names our message counts."""
    ris = Ris(about="C-16")
    with ris.listener:
        failed = failure(to(ris.listener))
    assert (failed.retryable, failed.away) == (True, False)


@pytest.mark.parametrize(
    "encoded", [b"\0" * 128 + b"DICM", MESSAGE + b"\x1c\r", b""], ids=["dicom", "end", ""]
)
def test_what_is_no_message_is_not_sent(encoded):
    """It is refused before anybody is called."""
    ris = Ris()
    with ris.listener:
        assert not failure(to(ris.listener), encoded).retryable
        assert ris.listener.connections == 0


def test_nobody_there():
    """The destination is away."""
    assert failure(MllpDestination("127.0.0.1", 1, None)).away


@pytest.mark.parametrize("script", [hang, cut], ids=["hangs", "cuts"])
def test_a_listener_that_does_not_answer_is_given_up(script):
    """It was reached, so this try counts."""
    with Listener(script) as listener:
        failed = failure(to(listener, timeout_s=0.3))
    assert (failed.retryable, failed.away) == (True, False)


def test_a_listener_that_answers_without_end_is_cut_off():
    """Each wait is short, and yet there is a limit for all of them together."""
    with Listener(dribble) as listener:
        failed = failure(to(listener, limit_s=0.4))
    assert failed.retryable


def test_a_message_over_tls(trust):
    """Both sides show a certificate; a listener without a trusted one gets nothing."""
    ris = Ris(context=trust.context(mutual=True))
    with ris.listener:
        to(ris.listener, trust.known).deliver(DELIVERY, MESSAGE)
    assert ris.came == [MESSAGE]
    strange = Ris(context=trust.context(trust.stranger))
    with strange.listener:
        failed = failure(to(strange.listener, trust.trusting))
    assert (failed.away, strange.came) == (True, [])


def test_a_listener_without_tls_gets_nothing_in_the_clear(trust):
    """Where TLS is asked for, there is no way back."""
    seen = []

    def listen(connection):
        seen.append(connection.recv(65_536))

    with Listener(listen) as listener:
        assert failure(to(listener, trust.trusting)).away
    assert all(b"MSH" not in data for data in seen)
