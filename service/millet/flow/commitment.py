"""Storage Commitment in both directions: promises that we make and keep, and questions that we ask.

As provider: a transaction is journalled before its N-ACTION is answered, and told from what is durable, on
an association of its own, again and again until the requester takes it. As user: a question is journalled
before it is asked, since its answer may come on another association, to another process, days later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from millet.codec.commitment import read_report, read_request
from millet.codec.identifiers import names_of
from millet.core.commitment import REQUEST, Reference, Request, is_ripe, judged
from millet.core.retry import Patience, next_try_s
from millet.errors import DeliveryError, StoreError
from millet.ports import Clock, Commitment, Delivery, Promise, PromiseLog, QuestionLog, Requester

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_ARGUMENT = 0x0115
NO_SUCH_ACTION = 0x0123
DUPLICATE_TRANSACTION = 0x0131
"""A transaction UID that is in use already (PS3.3 C.14.1.1), with other instances than now."""
LEASE_S = 120.0
"""Longer than one report takes; after that another process may tell it."""

Tell = Callable[[str, str, int, str], None]
"""Told what became of a promise: "asked", "refused", "told", "retried" or "dead"; the peer's AE title, of
how many instances it is, and why."""


class Promises:
    """The provider. `asked` may be called by any thread, `step` by one."""

    def __init__(
        self,
        log: PromiseLog,
        peers: Commitment,
        patience: Patience,
        clock: Clock,
        tell: Tell,
        *,
        grace_s: float,
    ) -> None:
        self._log = log
        self._peers = peers
        self._patience = patience
        self._clock = clock
        self._tell = tell
        self._grace_s = grace_s

    def asked(self, requester: Requester, action_type: int, dataset: bytes) -> int:
        """Answer an N-ACTION with a DIMSE status; success means that an answer will follow."""
        if action_type != REQUEST:
            return NO_SUCH_ACTION
        try:
            request = read_request(dataset)
        except ValueError as error:
            return self._refused(requester, INVALID_ARGUMENT, 0, str(error))
        count = len(request.references)
        if not self._peers.knows(requester.calling_ae):
            return self._refused(requester, PROCESSING_FAILURE, count, "nobody told us where it listens")
        try:
            if not self._log.promised(requester, request, self._clock.utc()):
                return self._refused(requester, DUPLICATE_TRANSACTION, count, "its transaction UID is in use")
        except StoreError as error:
            return self._refused(requester, PROCESSING_FAILURE, count, str(error))
        self._tell("asked", requester.calling_ae, count, "")
        return SUCCESS

    def step(self, chance: Callable[[], float]) -> int:
        """Answer what is due; how many answers were taken. Raises StoreError."""
        return sum(
            self._try(promise, chance) for promise in self._log.promises_due(self._clock.utc(), LEASE_S)
        )

    def _try(self, promise: Promise, chance: Callable[[], float]) -> bool:
        wanted, requester = promise.request, promise.requester
        named = [one.sop_instance_uid for one in wanted.references]
        verdict = judged(wanted, self._log.kept_classes(requester.site, named))
        now_utc = self._clock.utc()
        age_s = (now_utc - promise.asked_utc).total_seconds()
        if not is_ripe(verdict, age_s, self._grace_s):
            self._log.promise_not_told(promise.promise_id, "", now_utc + timedelta(seconds=1))
            return False
        try:
            self._peers.report(requester.calling_ae, verdict)
        except DeliveryError as error:
            wait_s = next_try_s(promise.attempts + 1, age_s, self._patience, chance())
            then = None if wait_s is None else self._clock.utc() + timedelta(seconds=wait_s)
            self._log.promise_not_told(promise.promise_id, str(error), then)
            what = "dead" if then is None else "retried"
            self._tell(what, requester.calling_ae, len(wanted.references), str(error))
            return False
        self._log.promise_told(promise.promise_id)
        self._tell("told", requester.calling_ae, len(wanted.references), "")
        return True

    def _refused(self, requester: Requester, status: int, count: int, why: str) -> int:
        self._tell("refused", requester.calling_ae, count, why)
        return status


class Questions:
    """The user: a `Verifier` for destinations that promise what they keep. Thread-safe."""

    def __init__(self, log: QuestionLog, peers: Commitment, clock: Clock, new_uid: Callable[[], str]) -> None:
        self._log = log
        self._peers = peers
        self._clock = clock
        self._new_uid = new_uid

    def ask(self, delivery: Delivery, encoded: bytes) -> None:
        """Ask about one object; see `ports.Verifier`."""
        names = names_of(encoded)
        about = Reference(names.sop_class_uid, names.sop_instance_uid)
        asked = Request(transaction_uid=self._new_uid(), references=(about,))
        self._log.question(delivery.delivery_id, asked.transaction_uid, self._clock.utc())
        self._peers.request(delivery.destination, asked, self.heard)

    def answered(self, delivery: Delivery) -> bool | None:
        """What the destination said; see `ports.Verifier`."""
        return self._log.answer(delivery.delivery_id)

    def heard(self, dataset: bytes) -> int:
        """Take an N-EVENT-REPORT, whoever brings it: the DIMSE status to answer with."""
        try:
            verdict = read_report(dataset)
        except ValueError:
            return INVALID_ARGUMENT
        kept = bool(verdict.kept) and not verdict.failed
        try:
            known = self._log.heard(verdict.transaction_uid, kept=kept, now_utc=self._clock.utc())
        except StoreError:
            return PROCESSING_FAILURE
        return SUCCESS if known else INVALID_ARGUMENT
