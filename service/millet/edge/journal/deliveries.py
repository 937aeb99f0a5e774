"""The journal as the outbox sees it: what must reach whom, and what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from millet.edge.journal.base import Base
from millet.edge.journal.jobs import PENDING
from millet.edge.journal.tables import analysis, delivery, made, series
from millet.ports import Delivery

DONE = "done"
DEAD = "dead"


class Deliveries(Base):
    """A `DeliveryQueue`."""

    def due(self, now_utc: datetime) -> Sequence[Delivery]:
        """Pending deliveries whose time has come, oldest first."""
        return self._deliveries(delivery.c.state == PENDING, delivery.c.next_try_utc <= now_utc)

    def dead_letters(self) -> Sequence[Delivery]:
        """What was given up."""
        return self._deliveries(delivery.c.state == DEAD)

    def delivered(self, delivery_id: int, now_utc: datetime) -> None:
        """The destination has it."""
        self._tried(delivery_id, {"state": DONE, "done_utc": now_utc, "last_error": ""})

    def failed(self, delivery_id: int, why: str, next_try_utc: datetime | None) -> None:
        """A try failed; without a next one it is a dead letter."""
        then = {"state": DEAD} if next_try_utc is None else {"next_try_utc": next_try_utc}
        self._tried(delivery_id, {"last_error": why, **then})

    def waiting(self, now_utc: datetime) -> tuple[int, float]:
        """How many deliveries are still to be made, and the age in seconds of the oldest; 0 for none."""
        pending = sa.select(sa.func.count(), sa.func.min(delivery.c.created_utc))
        with self._reading() as connection:
            number, oldest = connection.execute(pending.where(delivery.c.state == PENDING)).one()
        return number, 0.0 if oldest is None else (now_utc - oldest).total_seconds()

    def _tried(self, delivery_id: int, facts: dict[str, Any]) -> None:
        with self._changing() as (connection, revision):
            connection.execute(
                sa.update(delivery)
                .where(delivery.c.id == delivery_id, delivery.c.state == PENDING)
                .values(attempts=delivery.c.attempts + 1, **facts)
            )
            owner = (
                sa.select(analysis.c.series_id)
                .join(made, made.c.analysis_id == analysis.c.id)
                .join(delivery, delivery.c.object_id == made.c.id)
                .where(delivery.c.id == delivery_id)
                .scalar_subquery()
            )
            connection.execute(sa.update(series).where(series.c.id == owner).values(revision=revision))

    def _deliveries(self, *conditions: sa.ColumnElement[bool]) -> Sequence[Delivery]:
        query = (
            sa.select(
                delivery.c.id.label("delivery_id"),
                delivery.c.destination,
                made.c.kind,
                made.c.path,
                made.c.sop_instance_uid,
                series.c.site,
                series.c.study_uid,
                series.c.series_uid,
                analysis.c.generation,
                delivery.c.created_utc,
                delivery.c.attempts,
                delivery.c.last_error,
            )
            .join(made, delivery.c.object_id == made.c.id)
            .join(analysis, made.c.analysis_id == analysis.c.id)
            .join(series, analysis.c.series_id == series.c.id)
            .where(*conditions)
            .order_by(delivery.c.next_try_utc, delivery.c.id)
        )
        with self._reading() as connection:
            return [Delivery(**row) for row in connection.execute(query).mappings()]
