"""Storage Commitment: what is asked, what may be promised, and when (PS3.4 J, PS3.3 C.14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance that every request names."""
REQUEST = 1
"""Action Type ID."""
ALL_KEPT, SOME_FAILED = 1, 2
"""Event Type IDs."""
NO_SUCH_INSTANCE = 0x0112
CLASS_CONFLICT = 0x0119
MOST_REFERENCES = 100_000


class Reference(NamedTuple):
    """An instance that a transaction is about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A transaction: are these kept?"""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to a transaction."""

    transaction_uid: str
    kept: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()
    """With the Failure Reason (0008,1197) of each."""

    @property
    def event_type(self) -> int:
        """Event Type ID of the report."""
        return SOME_FAILED if self.failed else ALL_KEPT


def judged(request: Request, kept: Mapping[str, str]) -> Verdict:
    """Promise what is kept, and say of the rest why not.

    Args:
        request: the transaction.
        kept: SOP class by SOP Instance UID of what is durable here.
    """
    reasons = [(one, _failure(one, kept)) for one in request.references]
    return Verdict(
        transaction_uid=request.transaction_uid,
        kept=tuple(one for one, reason in reasons if reason is None),
        failed=tuple((one, reason) for one, reason in reasons if reason is not None),
    )


def _failure(one: Reference, kept: Mapping[str, str]) -> int | None:
    if (sop_class_uid := kept.get(one.sop_instance_uid)) is None:
        return NO_SUCH_INSTANCE
    return None if sop_class_uid == one.sop_class_uid else CLASS_CONFLICT


def is_ripe(verdict: Verdict, age_s: float, grace_s: float) -> bool:
    """Whether a verdict may be told: a good one at once, a bad one when nothing can still be on its way.

    An instance is durable, and acknowledged, a moment before the journal knows it; senders ask for
    commitment right after the last acknowledgement.
    """
    return not verdict.failed or age_s >= grace_s
