from __future__ import annotations

import pytest

from millet.codec.mllp import Ack, control_id, frame, read_ack, unframe

MESSAGE = b"MSH|^~\\&|MILLET|NORTH|RIS|NORTH|20260102||ORU^R01|C-17|P|2.5.1\rPID|1\r"


def ack(*segments, encoding=b"|^~\\&"):
    """An acknowledgement."""
    return b"\r".join([b"MSH" + encoding + b"|RIS|||||20260102||ACK|9|P|2.5.1", *segments]) + b"\r"


def test_a_frame_gives_back_its_message():
    """Between VT and FS CR stands the message as it was."""
    framed = frame(MESSAGE)
    assert (framed[:1], framed[-2:]) == (b"\x0b", b"\x1c\r")
    assert unframe(framed) == MESSAGE


@pytest.mark.parametrize("cut", [0, 1, 10, -2, -1])
def test_half_a_frame_is_not_complete(cut):
    """Until the last byte there is no message."""
    assert unframe(frame(MESSAGE)[:cut]) is None


def test_what_stands_before_a_frame_is_skipped():
    """Some systems begin with a line feed or an empty frame's end."""
    assert unframe(b"\n\r" + frame(MESSAGE)) == MESSAGE


@pytest.mark.parametrize("evil", [b"\x0b", b"\x1c", b"\x1c\r"])
def test_bytes_that_would_end_a_frame_are_refused(evil):
    """DICOM in a frame would be cut in two."""
    with pytest.raises(ValueError, match="frame"):
        frame(MESSAGE + evil)


def test_the_control_id_of_a_message():
    """MSH-10."""
    assert control_id(MESSAGE) == "C-17"


@pytest.mark.parametrize("wrong", [b"", b"PID|1", b"MSH", b"MSH|^~\\&|A|B", b"\x00" * 200])
def test_what_is_no_message_has_no_control_id(wrong):
    """It is said, not guessed."""
    with pytest.raises(ValueError, match=r"begin|short|hold"):
        control_id(wrong)


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ([b"MSA|AA|C-17"], Ack("AA", "C-17", "")),
        (
            [b"MSA|AE|C-17|text", b"ERR||PID^1^3|101^missing^HL70357|E"],
            Ack("AE", "C-17", "101"),
        ),
        ([b"MSA|AR|C-17", b"ERR|||207|E"], Ack("AR", "C-17", "207")),
        ([b"MSA|CA"], Ack("CA", "", "")),
    ],
    ids=["accepted", "error", "rejected", "short"],
)
def test_an_acknowledgement_is_read(segments, said):
    """Its code, the message that it is about, and the first error."""
    assert read_ack(ack(*segments)) == said


def test_separators_are_the_senders():
    """MSH says which they are; line feeds count as ends of segments too."""
    message = ack(b"MSA$AE$C-17", b"ERR$$$101*x", encoding=b"$*~\\&").replace(b"\r", b"\r\n")
    message = message.replace(b"|", b"$")
    assert read_ack(message) == Ack("AE", "C-17", "101")


@pytest.mark.parametrize("wrong", [b"", b"MSH|^~\\&|x\r", ack(b"MSA"), b"HTTP/1.1 400 Bad Request\r\n"])
def test_what_is_no_acknowledgement_is_refused(wrong):
    """No MSA, no acknowledgement."""
    with pytest.raises(ValueError, match=r"begin|short|hold"):
        read_ack(wrong)
