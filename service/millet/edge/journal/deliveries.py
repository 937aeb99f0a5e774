"""The journal as the outbox sees it: what must reach whom, what was given up, and what was dismissed.

A delivery that a deliverer has in hand is due again when its lease ends, so a lease is nothing but the time
of the next try, written before the try: who dies leaves work that becomes due, and two deliverers never send
one object at once. All times are the database's.

Theory of operation of their order. Deliveries to one destination about the same (`tables.topic`) reach it in
their order, with any number of deliverers. A newer one is not given out while an older one is in somebody's
hand, or is due: so who has one in hand and finds no newer one (`topics`) may send it, for none is sent before
it is out of hand again. Who finds a newer one must not send it, for that may be there already. An older one
that waits for its next try holds up nothing: the newer one goes first, and says what is so by now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from millet.core.analysis import TriageLevel
from millet.edge.journal.base import Base
from millet.edge.journal.clock import now_utc
from millet.edge.journal.database import bump
from millet.edge.journal.outgoing import PENDING
from millet.edge.journal.tables import Utc, analysis, made, series, topic
from millet.edge.journal.tables import delivery as deliveries
from millet.errors import StoreError
from millet.ports import Among, Delivery, Dismissal, Later, Selection, Topic

DONE = "done"
DEAD = "dead"
REPLACED = "replaced"
"""The `last_error` of what is done without having been sent."""
DISMISSED = "dismissed"
"""By an operator, at `done_utc`; `last_error` says who, why, and what was wrong before."""
_TO: sa.BindParameter[str] = sa.bindparam("to")
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Utc)


class Backlog(NamedTuple):
    """What waits for a destination."""

    waiting: int
    oldest_s: float
    """Age of the oldest that waits; 0 for none."""
    dead: int
    """Dead letters."""


class Deliveries(Base):
    """A `DeliveryQueue` and a `DeadLetters`."""

    def take(self, destination: str, holder: str, lease_s: float) -> Delivery | None:
        """The delivery that is longest due, for one holder; see `ports.DeliveryQueue`."""
        with self._reading() as connection:  # which locks nothing, for nearly always nothing is due
            if connection.execute(_DUE, {"to": destination, "now": _now(connection)}).first() is None:
                return None
        with self._writing(awaited=False) as connection:
            now = _now(connection)
            until = now + timedelta(seconds=lease_s)
            facts = {"to": destination, "now": now, "by": holder, "until": until}
            taken = connection.execute(_TAKING, facts).scalar_one_or_none()
            if taken is None:
                return None
            row = connection.execute(_deliveries().where(deliveries.c.id == taken)).mappings().one()
            return _delivery(row, now)

    def topics(self, delivery: Delivery) -> Sequence[Topic]:
        """What a delivery is about; see `ports.DeliveryQueue`."""
        mine, other, newer = topic.alias(), topic.alias(), deliveries.alias()
        replaced = sa.exists().where(
            *_same(mine, other),
            _place(other) > _place(mine),
            newer.c.id == other.c.delivery_id,
            newer.c.destination == delivery.destination,
            sa.or_(newer.c.state == PENDING, sa.and_(newer.c.state == DONE, newer.c.last_error == "")),
        )
        query = sa.select(mine.c.site, mine.c.uid, replaced)
        with self._reading() as connection:
            rows = connection.execute(query.where(mine.c.delivery_id == delivery.delivery_id)).all()
        return [Topic(site, uid, bool(is_so)) for site, uid, is_so in rows]

    def let_go(self, holder: str) -> None:
        """What a holder had in hand is due; see `ports.DeliveryQueue`."""
        mine = (deliveries.c.state == PENDING, deliveries.c.holder == holder)
        with self._writing() as connection:
            freed = {"holder": "", "next_try_utc": now_utc()}
            connection.execute(sa.update(deliveries).where(*mine).values(freed))

    def delivered(self, delivery: Delivery) -> None:
        """The destination has it."""
        self._end(delivery, {"state": DONE, "done_utc": now_utc(), "last_error": ""})

    def replaced(self, delivery: Delivery) -> None:
        """A newer one took its place."""
        self._end(delivery, {"state": DONE, "done_utc": now_utc(), "last_error": REPLACED})

    def give_up(self, delivery: Delivery, why: str) -> None:
        """It becomes a dead letter."""
        self._end(delivery, {"state": DEAD, "last_error": why})

    def postpone(self, delivery: Delivery, later: Later) -> None:
        """Something is left to be done; see `ports.DeliveryQueue`."""
        with self._writing(awaited=False) as connection:
            now = _now(connection)
            sent_utc = delivery.sent_utc or now
            facts = {
                "holder": "",
                "next_try_utc": now + timedelta(seconds=later.wait_s),
                "last_error": later.why,
                "sent_utc": sent_utc if later.sent else None,
                "attempts": delivery.attempts + later.counted,
            }
            connection.execute(_pending(delivery.delivery_id).values(facts))

    def dead_letters(self, selection: Selection) -> Sequence[Delivery]:
        """What was given up, or is elsewhere among deliveries; see `ports.DeadLetters`."""
        with self._reading() as connection:
            now = _now(connection)
            query = (
                _deliveries().where(*_selected(selection)).order_by(deliveries.c.created_utc, deliveries.c.id)
            )
            return [_delivery(row, now) for row in connection.execute(query).mappings()]

    def replay(self, selection: Selection) -> int:
        """Have dead letters tried again from the beginning; see `ports.DeadLetters`."""
        fresh = {"state": PENDING, "attempts": 0, "holder": "", "sent_utc": None, "done_utc": None}
        times = {"created_utc": now_utc(), "next_try_utc": now_utc()}
        with self._changing() as (connection, _):
            return _changed(connection, selection, fresh | times)

    def dismiss(self, selection: Selection, said: Dismissal, count: int) -> None:
        """End deliveries that need not be made any more; see `ports.DeadLetters`."""
        why = sa.literal(f"{said}; before: ").concat(deliveries.c.last_error)
        ended = {"state": DISMISSED, "done_utc": now_utc(), "holder": "", "last_error": why}
        with self._changing() as (connection, _):
            if (found := _changed(connection, selection, ended)) != count:
                raise StoreError(f"there are {found} deliveries now, not {count}: look again")

    def _end(self, ended: Delivery, facts: dict[str, Any]) -> None:
        """End a delivery, and tell who watches its series."""
        facts = facts | {"attempts": ended.attempts + 1, "holder": ""}
        owner = sa.select(series.c.id).where(deliveries.c.id == ended.delivery_id).select_from(_JOINED)
        with self._changing() as (connection, revision):
            connection.execute(_pending(ended.delivery_id).values(facts))
            connection.execute(
                sa.update(series).where(series.c.id == owner.scalar_subquery()).values(revision=revision)
            )

    def backlog(self) -> dict[str, Backlog]:
        """What waits for each destination that the journal knows of; none waits for others."""
        is_dead = deliveries.c.state == DEAD
        query = (
            sa.select(
                deliveries.c.destination,
                sa.func.count().filter(~is_dead).label("waiting"),
                sa.func.min(deliveries.c.created_utc).filter(~is_dead).label("oldest_utc"),
                sa.func.count().filter(is_dead).label("dead"),
            )
            .where(deliveries.c.state.in_((PENDING, DEAD)))
            .group_by(deliveries.c.destination)
        )
        with self._reading() as connection:
            now, rows = _now(connection), connection.execute(query).all()
        return {row.destination: Backlog(row.waiting, _age_s(now, row.oldest_utc), row.dead) for row in rows}


def _now(connection: sa.Connection) -> datetime:
    now: datetime = connection.execute(sa.select(now_utc())).scalar_one()
    return now


_JOINED = (
    deliveries.join(made, deliveries.c.object_id == made.c.id)
    .join(analysis, made.c.analysis_id == analysis.c.id)
    .join(series, analysis.c.series_id == series.c.id)
)


def _same(one: sa.FromClause, other: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return one.c.uid == other.c.uid, one.c.site == other.c.site


def _place(one: sa.FromClause) -> sa.ColumnElement[Any]:
    """In the order of what is about the same."""
    return sa.tuple_(one.c.number, one.c.delivery_id)


def _held_up() -> sa.ScalarSelect[bool]:
    """Whether by an older delivery about the same that is in somebody's hand, or due itself; null for no.

    Scalars are looked up one by one, by their keys. Joined, a database that knows little of the tables may
    read them whole.
    """
    mine, other, older = topic.alias(), topic.alias(), deliveries.alias()
    is_open = sa.and_(
        older.c.state == PENDING,
        older.c.destination == _TO,
        sa.or_(older.c.holder != "", older.c.next_try_utc <= _NOW),
    )
    older_is_open = sa.select(is_open).where(older.c.id == other.c.delivery_id).scalar_subquery()
    before = (*_same(mine, other), _place(other) < _place(mine), older_is_open)
    held_up = sa.select(sa.true()).select_from(other).where(*before).limit(1).scalar_subquery()
    here = (mine.c.delivery_id == deliveries.c.id, held_up.is_not(None))
    return sa.select(sa.true()).select_from(mine).where(*here).limit(1).scalar_subquery()


_DUE = (
    sa.select(deliveries.c.id)
    .where(deliveries.c.state == PENDING, deliveries.c.destination == _TO)
    .where(deliveries.c.next_try_utc <= _NOW, _held_up().is_(None))
    .order_by(deliveries.c.next_try_utc)  # and by nothing else, as the index has it
    .limit(1)
)
_TAKING = (
    sa.update(deliveries)
    .where(deliveries.c.id == _DUE.with_for_update(skip_locked=True).scalar_subquery())
    .values(holder=sa.bindparam("by"), next_try_utc=sa.bindparam("until"))
    .returning(deliveries.c.id)
)


def _pending(delivery_id: int) -> sa.Update:
    return sa.update(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.state == PENDING)


def _changed(connection: sa.Connection, selection: Selection, facts: dict[str, Any]) -> int:
    """Change those that match, and tell who watches their series; how many they are.

    They are locked as they are looked at: PostgreSQL would change what somebody took in hand meanwhile.
    """
    matching = sa.select(deliveries.c.id).where(*_selected(selection)).select_from(_JOINED)
    chosen = matching.with_for_update(of=deliveries)
    owners = sa.select(series.c.id).where(*_selected(selection)).select_from(_JOINED)
    if told := connection.execute(owners.distinct()).scalars().all():
        last = bump(connection, len(told))
        moved = sa.update(series).where(series.c.id == sa.bindparam("owner"))
        revisions = [{"owner": owner, "new": last - place} for place, owner in enumerate(told)]
        connection.execute(moved.values(revision=sa.bindparam("new")), revisions)
    these = sa.update(deliveries).where(deliveries.c.id.in_(chosen.scalar_subquery()))
    return connection.execute(these.values(facts)).rowcount


_AMONG: Mapping[Among, tuple[sa.ColumnElement[bool], ...]] = {
    Among.DEAD: (deliveries.c.state == DEAD,),
    Among.DISMISSED: (deliveries.c.state == DISMISSED, made.c.removed_utc.is_(None)),
    Among.WAITING: (
        deliveries.c.state == PENDING,
        sa.or_(deliveries.c.holder == "", deliveries.c.next_try_utc <= now_utc()),
    ),
}


def _selected(selection: Selection) -> list[sa.ColumnElement[bool]]:
    wanted = (
        (deliveries.c.destination, selection.destination),
        (series.c.study_uid, selection.study_uid),
        (series.c.series_uid, selection.series_uid),
    )
    return [*_AMONG[selection.among], *(column == value for column, value in wanted if value)]


def _deliveries() -> sa.Select[Any]:
    return sa.select(
        deliveries.c.id.label("delivery_id"),
        deliveries.c.destination,
        made.c.kind,
        made.c.path,
        made.c.sop_instance_uid,
        series.c.site,
        series.c.study_uid,
        series.c.series_uid,
        analysis.c.generation,
        deliveries.c.created_utc,
        deliveries.c.attempts,
        deliveries.c.last_error,
        deliveries.c.sent_utc,
        analysis.c.triage.label("level"),
    ).select_from(_JOINED)


def _delivery(row: sa.RowMapping, now: datetime) -> Delivery:
    age_s = _age_s(now, row["sent_utc"] or row["created_utc"])
    return Delivery(**{**row, "level": TriageLevel(row["level"])}, age_s=age_s)


def _age_s(now: datetime, then: datetime | None) -> float:
    return 0.0 if then is None else (now - then).total_seconds()
