"""The journal for Storage Commitment: what we keep, what we owe an answer, and what we were told."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from millet.core.commitment import Reference, Request
from millet.edge.journal.base import Base
from millet.edge.journal.commitment_tables import promise, question
from millet.edge.journal.tables import instance
from millet.ports import Promise, Requester

PENDING, TOLD, DEAD = "pending", "told", "dead"
KEPT, FAILED = "kept", "failed"
AT_ONCE = 500
"""UIDs in one question: databases bound the number of parameters."""


class Commitments(Base):
    """A `KeptLog`, a `PromiseLog` and a `QuestionLog`."""

    def kept(self, site: str, sop_instance_uids: Collection[str]) -> frozenset[str]:
        """Those that we hold durably; see `ports.KeptLog`."""
        return frozenset(self.kept_classes(site, sop_instance_uids))

    def kept_classes(self, site: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        """Those that we hold durably, with their SOP classes; see `ports.PromiseLog`."""
        uids = sorted(sop_instance_uids)
        found: dict[str, str] = {}
        columns = sa.select(instance.c.sop_instance_uid, instance.c.sop_class_uid)
        with self._reading() as connection:
            for at in range(0, len(uids), AT_ONCE):
                some = instance.c.sop_instance_uid.in_(uids[at : at + AT_ONCE])
                rows = connection.execute(columns.where(instance.c.site == site, some)).all()
                found.update((uid, sop_class_uid) for uid, sop_class_uid in rows)
        return found

    def promised(self, requester: Requester, request: Request, now_utc: datetime) -> bool:
        """Journal a transaction; see `ports.PromiseLog`."""
        document = json.dumps(request.references)
        ours = (
            promise.c.site == requester.site,
            promise.c.calling_ae == requester.calling_ae,
            promise.c.transaction_uid == request.transaction_uid,
        )
        facts = {
            **requester._asdict(),
            "transaction_uid": request.transaction_uid,
            "document": document,
            "state": PENDING,
            "attempts": 0,
            "asked_utc": now_utc,
            "next_try_utc": now_utc,
        }
        with self._writing() as connection:
            known = connection.execute(sa.select(promise.c.document).where(*ours)).scalar_one_or_none()
            if known is None:
                connection.execute(sa.insert(promise).values(facts))
            elif known == document:  # asked again: the answer was lost, or is to be told once more
                anew = {"state": PENDING, "attempts": 0, "asked_utc": now_utc, "next_try_utc": now_utc}
                connection.execute(sa.update(promise).where(*ours).values(anew))
            return known is None or known == document

    def promises_due(self, now_utc: datetime, lease_s: float) -> Sequence[Promise]:
        """Transactions to be answered now, for this caller alone; see `ports.PromiseLog`."""
        taken = (
            sa.update(promise)
            .where(promise.c.state == PENDING, promise.c.next_try_utc <= now_utc)
            .values(next_try_utc=now_utc + timedelta(seconds=lease_s))
            .returning(promise)
        )
        with self._writing(awaited=False) as connection:
            rows = connection.execute(taken).all()
        return [_promise(row) for row in sorted(rows, key=lambda row: int(row.id))]

    def promise_told(self, promise_id: int) -> None:
        """The requester took the answer."""
        self._promise_tried(promise_id, {"state": TOLD, "last_error": ""}, counts=True)

    def promise_not_told(self, promise_id: int, why: str, next_try_utc: datetime | None) -> None:
        """It did not; see `ports.PromiseLog`."""
        then = {"state": DEAD} if next_try_utc is None else {"next_try_utc": next_try_utc}
        self._promise_tried(promise_id, {"last_error": why, **then}, counts=bool(why))

    def question(self, delivery_id: int, transaction_uid: str, now_utc: datetime) -> None:
        """A destination is about to be asked; see `ports.QuestionLog`."""
        facts = {"delivery_id": delivery_id, "transaction_uid": transaction_uid, "asked_utc": now_utc}
        with self._writing(awaited=False) as connection:
            connection.execute(sa.insert(question).values(facts))

    def heard(self, transaction_uid: str, *, kept: bool, now_utc: datetime) -> bool:
        """A destination answered; see `ports.QuestionLog`."""
        ours = question.c.transaction_uid == transaction_uid
        with self._writing() as connection:
            answer = connection.execute(sa.select(question.c.answer).where(ours)).scalar_one_or_none()
            if answer in {"", FAILED}:
                said = {"answer": KEPT if kept else FAILED, "answered_utc": now_utc}
                connection.execute(sa.update(question).where(ours).values(said))
            return answer is not None

    def answer(self, delivery_id: int) -> bool | None:
        """What was answered about a delivery; see `ports.QuestionLog`."""
        said = sa.select(question.c.answer).where(question.c.delivery_id == delivery_id)
        with self._reading() as connection:
            answers = connection.execute(said.order_by(question.c.id.desc())).scalars().all()
        if KEPT in answers:
            return True
        return False if answers[:1] == [FAILED] else None

    def _promise_tried(self, promise_id: int, facts: Mapping[str, object], *, counts: bool) -> None:
        pending = (promise.c.id == promise_id, promise.c.state == PENDING)
        tries = {"attempts": promise.c.attempts + 1} if counts else {}
        with self._writing() as connection:
            connection.execute(sa.update(promise).where(*pending).values(**tries, **facts))


def _promise(row: sa.Row[tuple[object, ...]]) -> Promise:
    references = tuple(Reference(*one) for one in json.loads(row.document))
    return Promise(
        promise_id=row.id,
        requester=Requester(row.site, row.calling_ae),
        request=Request(transaction_uid=row.transaction_uid, references=references),
        asked_utc=row.asked_utc,
        attempts=row.attempts,
    )
