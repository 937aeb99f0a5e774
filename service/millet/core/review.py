"""A task to review a study, as an entry of a worklist of Unified Procedure Steps (PS3.4 CC).

Theory of operation. A study that is told of for the first time gets a task, with a priority by its level. A
later level changes the task that is there, which the Standard allows while nobody has begun it. One that is
begun or ended is changed no longer: a level that rose since gets a task of its own, one that fell needs none.
For a level that is withdrawn all of its tasks are asked to be cancelled; who works on one decides.

A task is named by the message that made it. So whoever changes one asks for those of the earlier messages,
newest first, and nothing is kept but the messages themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from millet.core.analysis import TriageLevel
from millet.core.notification import Change
from millet.core.uids import derived_uid

PRIORITIES: Mapping[TriageLevel, str] = {TriageLevel.CRITICAL: "HIGH", TriageLevel.URGENT: "MEDIUM"}
"""Scheduled Procedure Step Priority (PS3.3 C.30.2); all others are LOW."""
LOWEST = "LOW"


class Outcome(StrEnum):
    """What an answer says of a task."""

    DONE = "done"
    UNKNOWN = "unknown"
    """There is no such task."""
    CLOSED = "closed"
    """Somebody works on it, or it has ended."""


_DIMSE = {
    **dict.fromkeys([0x0001, 0x0107, 0x0116], Outcome.DONE),
    0x0112: Outcome.UNKNOWN,
    0xC307: Outcome.UNKNOWN,
    **dict.fromkeys([0xB304, 0xC300, 0xC301, 0xC302, 0xC310, 0xC311, 0xC312, 0xC313], Outcome.CLOSED),
}
"""PS3.4 CC.2.1.4, CC.2.2.4, CC.2.5.4 and CC.2.6.4; 0x0001, 0x0107 and 0x0116 are warnings
(PS3.7 C.4): attributes were passed over, or have values that are not known there."""


def of_dimse(status: int) -> Outcome | None:
    """What a status of N-CREATE, N-SET or N-ACTION says of a task; None for one that any service has."""
    return _DIMSE.get(status)


def priority(level: TriageLevel) -> str:
    """Of a task for a study of a level."""
    return PRIORITIES.get(level, LOWEST)


def task_uid(recipient: str, reference: str, sequence: int) -> str:
    """The name of the task that a message about a study makes, if it makes one."""
    return derived_uid("review", recipient, reference, str(sequence))


def earlier(sequence: int) -> Sequence[int]:
    """The messages before one, newest first."""
    return range(sequence - 1, 0, -1)


def needs_another(change: Change, outcome: Outcome, *, others_between: bool = False) -> bool:
    """Whether a study gets a new task after the newest one that it has was asked to change.

    `others_between`: messages came after the one that made that task. One of them may have raised the level
    and never arrived, so one task too many is better than one too few.
    """
    rose = change is Change.RAISED or others_between
    return outcome is Outcome.UNKNOWN or (outcome is Outcome.CLOSED and rose)
