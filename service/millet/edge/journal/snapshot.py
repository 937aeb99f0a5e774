"""The journal as lines of text and back: the same for SQLite and PostgreSQL, and from one to the other.

All tables are read in one transaction, so that a running service changes nothing in between. The engine's
own tables are left out, and so are heartbeats, errands and what is provisional: a series whose analysis was
under way is written as one that is being received, and whoever starts on the restored journal closes it
again.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from millet.core.job import State
from millet.core.retention import LARGE
from millet.edge.journal.database import say_oldest, told
from millet.edge.journal.deliveries import DISMISSED, DONE
from millet.edge.journal.provisional_table import provisional
from millet.edge.journal.tables import (
    Utc,
    analysis,
    delivery,
    errand,
    executor,
    instance,
    made,
    metadata,
    series,
)
from millet.errors import StoreError

ENDED = (State.ANALYSED.value, State.NOT_ANALYSED.value)
UNDER_WAY = (State.QUEUED.value, State.ANALYSING.value)
BATCH = 500
"""Rows that are written at once."""


def dump(engine: sa.Engine) -> Iterator[tuple[str, str]]:
    """Every row: its table, and a line. Tables come as they can be filled. Raises StoreError."""
    isolated = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with told(), engine.execution_options(**isolated).connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":  # whose driver begins nothing for a SELECT
            connection.exec_driver_sql("BEGIN")
        for table in _tables():
            rows = connection.execution_options(yield_per=BATCH).execute(
                sa.select(table).order_by(*table.primary_key)
            )
            for row in rows.mappings():
                facts = {"table": table.name, "row": _written(table, row)}
                yield table.name, json.dumps(facts, ensure_ascii=False)


def count(engine: sa.Engine) -> int:
    """How many series are journalled. Raises StoreError."""
    with told(), engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(series)).scalar_one())


def load(engine: sa.Engine, lines: Iterable[str]) -> int:
    """Fill an empty journal with what `dump` gave; how many rows.

    Raises:
        StoreError: The journal is not empty, of another revision, or a line is none of `dump`.
    """
    tables, loaded = {table.name: table for table in _tables()}, 0
    with told(), engine.begin() as connection:
        if connection.execute(sa.select(series.c.id).limit(1)).first():
            raise StoreError("the journal is not empty")
        for table in reversed(_tables()):  # a migration may have put rows there
            connection.execute(sa.delete(table))
        for name, rows in _batches(lines):
            if name not in tables:
                raise StoreError(f"the backup has a table {name}, which this version does not know")
            connection.execute(sa.insert(tables[name]), [_read(tables[name], row) for row in rows])
            loaded += len(rows)
        say_oldest(connection)
        _renumber(connection)
    return loaded


class Reference(NamedTuple):
    """What a row says is kept elsewhere."""

    table: str
    path: str
    digest: str
    """Of an instance; empty for an object, which is named after it."""
    done: bool
    """Whether nobody needs its bytes any more, so that retention may have removed them."""


def undelivered(lines: Iterable[str]) -> frozenset[int]:
    """The objects of a dump that are still to be delivered, or are held for it; by id."""
    begin = json.dumps({"table": delivery.name}).rstrip("}")
    rows = (_parsed(line)[1] for line in lines if line.startswith(begin))  # the others are long
    return frozenset(row["object_id"] for row in rows if row["state"] not in {DONE, DISMISSED})


def stored(lines: Iterable[str], wanted: Container[int] = ()) -> Iterator[Reference]:
    """The instances and objects of a dump; wanted are those that are `undelivered`."""
    ended, over = set[int](), set[int]()
    for line in lines:
        name, row = _parsed(line)
        if name == series.name and row["state"] in ENDED:
            ended.add(row["id"])
        elif name == instance.name:
            yield Reference(name, row["path"], row["digest"], row["series_id"] in ended)
        elif name == analysis.name and row["series_id"] in ended:
            over.add(row["id"])
        elif name == made.name:
            done = row["kind"] in LARGE and row["analysis_id"] in over and row["id"] not in wanted
            yield Reference(name, row["path"], "", done or row.get("removed_utc") is not None)


def _tables() -> list[sa.Table]:
    return [table for table in metadata.sorted_tables if table not in {errand, executor, provisional}]


def _written(table: sa.Table, row: sa.RowMapping) -> dict[str, Any]:
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()
    }
    if table is series and values["state"] in UNDER_WAY:
        values |= {"state": State.RECEIVING.value, "closed_utc": None, "analyser": ""}
    return values


def _read(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    times = {column.name for column in table.c if isinstance(column.type, Utc)}
    return {
        name: datetime.fromisoformat(value) if name in times and value else value
        for name, value in row.items()
        if name in table.c
    }


def _parsed(line: str) -> tuple[str, dict[str, Any]]:
    try:
        found = json.loads(line)
        return found["table"], found["row"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError("a line of the backup's journal cannot be read") from error


def _batches(lines: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    name, rows = "", list[dict[str, Any]]()
    for line in lines:
        table, row = _parsed(line)
        if rows and (table != name or len(rows) == BATCH):
            yield name, rows
            rows = []
        name = table
        rows.append(row)
    if rows:
        yield name, rows


def _renumber(connection: sa.Connection) -> None:
    """Have PostgreSQL count on behind the rows that came with numbers; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in _tables():
        if "id" in table.c:
            largest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).scalar_subquery()
            counter = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(counter, largest, sa.false())))
