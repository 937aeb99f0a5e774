"""Storage Commitment for tests: a journal in memory, and peers that answer as a test says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from millet.core.commitment import Request, Verdict
from millet.errors import DeliveryError
from millet.ports import Entry, Promise, Requester


@dataclass
class _Promised:
    promise: Promise
    next_try_utc: datetime
    pending: bool = True


@dataclass
class MemoryCommitments:
    """A `KeptLog`, `PromiseLog` and `QuestionLog`."""

    classes: dict[tuple[str, str], str] = field(default_factory=dict)
    promises: dict[int, _Promised] = field(default_factory=dict)
    questions: list[list] = field(default_factory=list)
    """Delivery, transaction, answer."""

    def record(self, entry: Entry) -> None:
        """An instance is durable."""
        self.classes[entry.source.site, entry.header.sop_instance_uid] = entry.header.sop_class_uid

    def kept(self, site: str, sop_instance_uids: Collection[str]) -> frozenset[str]:
        """Those that were recorded."""
        return frozenset(self.kept_classes(site, sop_instance_uids))

    def kept_classes(self, site: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        """With their classes."""
        return {uid: self.classes[site, uid] for uid in sop_instance_uids if (site, uid) in self.classes}

    def promised(self, requester: Requester, request: Request, now_utc: datetime) -> bool:
        """Keep a transaction."""
        for number, one in self.promises.items():
            same = one.promise.requester == requester
            if same and one.promise.request.transaction_uid == request.transaction_uid:
                if one.promise.request != request:
                    return False
                anew = replace(one.promise, attempts=0, asked_utc=now_utc)
                self.promises[number] = _Promised(anew, now_utc)
                return True
        number = len(self.promises) + 1
        made = Promise(promise_id=number, requester=requester, request=request, asked_utc=now_utc, attempts=0)
        self.promises[number] = _Promised(made, now_utc)
        return True

    def promises_due(self, now_utc: datetime, lease_s: float) -> Sequence[Promise]:
        """What is to be answered."""
        due = [one for one in self.promises.values() if one.pending and one.next_try_utc <= now_utc]
        for one in due:
            one.next_try_utc = now_utc + timedelta(seconds=lease_s)
        return [one.promise for one in due]

    def promise_told(self, promise_id: int) -> None:
        """Answered."""
        self.promises[promise_id].pending = False

    def promise_not_told(self, promise_id: int, why: str, next_try_utc: datetime | None) -> None:
        """Not answered."""
        one = self.promises[promise_id]
        one.promise = replace(one.promise, attempts=one.promise.attempts + bool(why))
        one.pending = next_try_utc is not None
        one.next_try_utc = next_try_utc or one.next_try_utc

    def question(self, delivery_id: int, transaction_uid: str, now_utc: datetime) -> None:
        """Asked."""
        self.questions.append([delivery_id, transaction_uid, None])

    def heard(self, transaction_uid: str, *, kept: bool, now_utc: datetime) -> bool:
        """Answered."""
        for one in self.questions:
            if one[1] == transaction_uid:
                one[2] = one[2] or kept
                return True
        return False

    def answer(self, delivery_id: int) -> bool | None:
        """What was said."""
        answers = [answer for number, _, answer in self.questions if number == delivery_id]
        return True if True in answers else (answers or [None])[-1]


@dataclass
class MemoryPeers:
    """A `Commitment`."""

    known: Collection[str] = ("SCANNER",)
    down: bool = False
    answers: list[bytes] = field(default_factory=list)
    """What comes at once on the association of a question."""
    told: list[tuple[str, Verdict]] = field(default_factory=list)
    asked: list[tuple[str, Request]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def knows(self, ae_title: str) -> bool:
        """Whether it is known."""
        return ae_title in self.known

    def report(self, ae_title: str, verdict: Verdict) -> None:
        """Take it, unless down."""
        if self.down:
            raise DeliveryError("nobody there", retryable=True)
        self.told.append((ae_title, verdict))

    def request(self, destination: str, asked: Request, hear: Callable[[bytes], int]) -> None:
        """Take it, and answer."""
        self.asked.append((destination, asked))
        self.statuses += [hear(answer) for answer in self.answers]
