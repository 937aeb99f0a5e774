"""MLLP, the minimal lower layer protocol: HL7 messages in frames, and their acknowledgements.

A frame is VT, the message, FS CR (HL7 v2 implementation guide, appendix C; IHE ITI TF-2 C.2).
"""

from __future__ import annotations

from typing import NamedTuple

START = b"\x0b"
END = b"\x1c\r"


class Ack(NamedTuple):
    """An acknowledgement."""

    code: str
    """MSA-1: AA, AE, AR, CA, CE or CR."""
    control_id: str
    """MSA-2: which message is acknowledged."""
    error: str
    """ERR-3.1, a code of HL7 table 0357; empty without one."""


def frame(message: bytes) -> bytes:
    """Put a message into a frame. Raises ValueError for bytes that would end it early."""
    if START in message or END[:1] in message:
        raise ValueError("a message may not hold the bytes that begin or end a frame")
    return START + message + END


def unframe(received: bytes) -> bytes | None:
    """The first message in what was received so far, None while it is not complete."""
    begun, ended = received.find(START), received.find(END)
    return received[begun + 1 : ended] if 0 <= begun < ended else None


def control_id(message: bytes) -> str:
    """MSH-10. Raises ValueError for what is no HL7 message."""
    header = _segments(message)[0]
    if len(header) < 10:
        raise ValueError("the header of the message is too short")
    return header[9]


def read_ack(message: bytes) -> Ack:
    """Read an acknowledgement. Raises ValueError for what is none."""
    segments = _segments(message)
    said = next((one for one in segments if one[0] == "MSA"), [])
    if len(said) < 2:
        raise ValueError("an acknowledgement must hold MSA-1")
    errors = (one[3] for one in segments if one[0] == "ERR" and len(one) > 3)
    components = next(errors, "").split(_component_separator(message))
    return Ack(said[1], said[2] if len(said) > 2 else "", components[0])


def _segments(message: bytes) -> list[list[str]]:
    """Segments and their fields; the fields that are read here hold ASCII in any character set."""
    text = message.decode("latin-1")
    if not text.startswith("MSH") or len(text) < 5:
        raise ValueError("it does not begin with MSH")
    return [segment.split(text[3]) for segment in text.replace("\n", "\r").split("\r") if segment]


def _component_separator(message: bytes) -> str:
    return chr(message[4])
