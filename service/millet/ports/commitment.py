"""Storage Commitment, in both directions: what is promised to others, and what others promise us."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from millet.core.commitment import Request, Verdict


class Requester(NamedTuple):
    """Who asked us."""

    site: str
    calling_ae: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A transaction of another's that is to be answered."""

    promise_id: int
    requester: Requester
    request: Request
    asked_utc: datetime
    attempts: int


class PromiseLog(Protocol):
    """The journal as a provider sees it. Each method is one transaction, blocks, raises StoreError."""

    def kept_classes(self, site: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        """SOP class by SOP Instance UID of a site's instances whose bytes we hold durably."""

    def promised(self, requester: Requester, request: Request, now_utc: datetime) -> bool:
        """Journal a transaction; the same again is True, other instances under its UID are False."""

    def promises_due(self, now_utc: datetime, lease_s: float) -> Sequence[Promise]:
        """Transactions to be answered now, each given to one caller only for `lease_s` seconds."""

    def promise_told(self, promise_id: int) -> None:
        """The requester took the answer."""

    def promise_not_told(self, promise_id: int, why: str, next_try_utc: datetime | None) -> None:
        """It did not; without a next try it is given up. An empty `why` counts as no attempt."""


class QuestionLog(Protocol):
    """The journal as a user sees it. Each method is one transaction, blocks, raises StoreError."""

    def question(self, delivery_id: int, transaction_uid: str, now_utc: datetime) -> None:
        """A destination is about to be asked whether it keeps what a delivery brought."""

    def heard(self, transaction_uid: str, *, kept: bool, now_utc: datetime) -> bool:
        """A destination answered; False where no such question was asked. "Kept" is not taken back."""

    def answer(self, delivery_id: int) -> bool | None:
        """True where any question about a delivery was answered with "kept", else what the newest was."""


class Commitment(Protocol):
    """Peers over the wire. Blocks for seconds; raises DeliveryError."""

    def knows(self, ae_title: str) -> bool:
        """Whether it is known where this peer listens."""

    def report(self, ae_title: str, verdict: Verdict) -> None:
        """Answer a transaction of a peer's."""

    def request(self, destination: str, asked: Request, hear: Callable[[bytes], int]) -> None:
        """Ask a destination; an answer that comes at once is given to `hear`, which returns a status."""
