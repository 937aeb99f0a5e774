"""What a destination's answer means for a delivery: it is there, try later, never try again, or it is away.

"Later" is said of this object, "away" of the destination as a whole: who is away refuses every object, so
that no object's own tries are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What follows from an answer."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"
    AWAY = "away"


DUPLICATE_SOP_INSTANCE = 0x0111
"""The destination has the instance already: that is what was wanted (PS3.7 C.4)."""
_TRANSIENT_DIMSE = frozenset({0x0110, 0x0213})
"""Processing failure and resource limitation (PS3.7 C.5.5, C.5.20)."""
_HTTP_AWAY = frozenset({401, 403, 404, 405, 407, 421, 502, 503})
"""Who we are, where it is, or whether it is up: matters of the configuration and of the whole service."""
_HTTP_LATER = frozenset({408, 409, 425, 429})
_HTTP_NEVER = frozenset({501, 505})
_HL7_LATER = frozenset({"206", "207"})
"""Application record locked, application internal error (HL7 table 0357)."""


def of_dimse(status: int) -> Verdict:
    """What a C-STORE status or a STOW-RS failure reason means (PS3.4 B.2.3, PS3.18 I.2.2).

    Success, warnings and "I have it already" are success; out of resources (0xA7xx) may pass.
    """
    if status in {0x0000, DUPLICATE_SOP_INSTANCE} or status >> 12 == 0xB:
        return Verdict.TAKEN
    return Verdict.LATER if status >> 8 == 0xA7 or status in _TRANSIENT_DIMSE else Verdict.NEVER


def of_http(status: int) -> Verdict:
    """What an HTTP status means (RFC 9110 section 15).

    A redirect is not followed, since objects go only where the configuration says: it counts as away. 409 is
    what a server says while it works on an earlier request with the same idempotency key.
    """
    if 200 <= status < 300:
        return Verdict.TAKEN
    if 300 <= status < 400 or status in _HTTP_AWAY:
        return Verdict.AWAY
    if status in _HTTP_LATER:
        return Verdict.LATER
    return Verdict.LATER if status >= 500 and status not in _HTTP_NEVER else Verdict.NEVER


def of_stow(status: int, reasons: Iterable[int]) -> Verdict:
    """What the answer to a STOW-RS request for one instance means (PS3.18 10.5.3).

    Args:
        status: of the HTTP response. 202 and 409 say that instances failed.
        reasons: their Failure Reasons (0008,1197); "I have it already" is none that matters.
    """
    verdicts = [of_dimse(reason) for reason in reasons]
    for verdict in (Verdict.NEVER, Verdict.LATER):
        if verdict in verdicts:
            return verdict
    if status == 409:
        return Verdict.TAKEN if verdicts else Verdict.LATER
    return of_http(status)


def of_ack(code: str, error: str = "") -> Verdict:
    """What an HL7 v2 acknowledgement means (HL7 v2.9 chapter 2, 2.9.2 and 2.9.3).

    Args:
        code: MSA-1. The message itself is wrong for AE; AR and CE are also said of a system that cannot take
            messages at the moment, CR of a message that is of no type that it takes.
        error: ERR-3.1, if there is one; it says more exactly what is meant (HL7 table 0357).
    """
    if code in {"AA", "CA"}:
        return Verdict.TAKEN
    if code not in {"AE", "AR", "CE", "CR"} or error in _HL7_LATER:
        return Verdict.LATER
    if error or code in {"AE", "CR"}:
        return Verdict.NEVER
    return Verdict.LATER


def of_smtp(code: int) -> Verdict:
    """What the answer of a mail server means (RFC 5321 4.2.1): 4yz may pass, 5yz stays."""
    if 200 <= code < 300:
        return Verdict.TAKEN
    return Verdict.NEVER if code >= 500 else Verdict.LATER
