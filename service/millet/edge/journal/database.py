"""The journal's database: how it is opened, migrated and waited for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event

from millet.edge.journal import tables
from millet.errors import StoreError

BUSY_MS = 30_000
"""How long a writer waits for another one before it fails."""
MIGRATIONS = Path(__file__).parent / "migrations"


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def open_engine(url: str) -> sa.Engine:
    """Open a database by URL; SQLite with a write-ahead log that is flushed at every commit.

    The folder of a SQLite file is made when there is none. Raises StoreError.
    """
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite" and engine.url.database:
        _make_folder(Path(engine.url.database).parent)
        event.listen(engine, "connect", _durable_sqlite)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the journal's folder cannot be made: {error.strerror}") from error


def _durable_sqlite(connection: Any, _record: Any) -> None:
    """Writers take the lock when they begin, so that none fails half way for having read first."""
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring our tables to a revision, up or down ("base" drops them). Raises StoreError."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with told(), engine.connect() as connection:
        config.attributes["connection"] = connection
        step = command.downgrade if revision == "base" else command.upgrade
        step(config, revision)
        connection.commit()


def bump(connection: sa.Connection) -> int:
    """The next revision. Its row is locked until the commit, so revisions appear in their order."""
    grown = (
        sa.update(tables.counter)
        .where(tables.counter.c.name == "revision")
        .values(value=tables.counter.c.value + 1)
        .returning(tables.counter.c.value)
    )
    return int(connection.execute(grown).scalar_one())


def now_utc(connection: sa.Connection) -> datetime:
    """The database's time; of SQLite, which is a file of this machine, the machine's."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


@contextmanager
def told() -> Iterator[None]:
    """Say it in our words when the database fails; its own words may hold a row's values."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"the journal failed: {type(error).__name__}") from None
