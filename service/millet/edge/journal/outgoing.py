"""What is made of an analysis, and where it must go: rows of the transaction that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from millet.edge.journal.clock import now_utc
from millet.edge.journal.tables import delivery, made, topic
from millet.ports import KeptObject

PENDING = "pending"
"""State of a delivery that is still to be made."""


class Topic(NamedTuple):
    """What a delivery is about; see `tables.topic`."""

    site: str
    uid: str
    number: int


def keep(connection: sa.Connection, analysis_id: int, one: KeptObject) -> int:
    """An object of an analysis; its id."""
    facts = {"kind": one.kind, "path": one.path, "sop_instance_uid": one.sop_instance_uid}
    return insert(connection, made, {"analysis_id": analysis_id, **facts})


def send(connection: sa.Connection, object_id: int, destination: str, topics: Sequence[Topic] = ()) -> None:
    """A delivery, due at once; what it is about, where a newer one takes its place."""
    times = {"created_utc": now_utc(), "next_try_utc": now_utc()}
    facts = {"object_id": object_id, "destination": destination, "state": PENDING, "attempts": 0}
    delivery_id = insert(connection, delivery, facts | times)
    if topics:
        rows = [{"delivery_id": delivery_id} | one._asdict() for one in topics]
        connection.execute(sa.insert(topic), rows)


def insert(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> int:
    """A row; its id."""
    return int(connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())
