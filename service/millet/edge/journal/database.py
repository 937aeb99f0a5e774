"""The journal's database: how it is opened, migrated and waited for."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from millet.edge.journal import tables
from millet.errors import StoreError

BUSY_MS = 30_000
"""How long a writer waits for another one before it fails."""
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "millet_version"
UNREADABLE = "the journal's URL cannot be read"
OLDEST = 10
"""The oldest revision whose code can work on the newest tables. What a migration adds has a default, or may
be null, so that older code goes on beside newer code, and can be gone back to. Raised by a migration that
takes away or changes what older code uses."""
POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,
    "pool_size": 10,
    "max_overflow": 20,
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "application_name": "millet",
    },
}
"""A connection that a restart broke is replaced before use; a host that is gone is noticed within 30 s."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


def journal_url(configured: str, state_dir: Path) -> str:
    """The URL as it was configured, or that of a SQLite file in the folder of the state."""
    return configured or sqlite_url(state_dir / "journal.db")


def open_engine(url: str) -> sa.Engine:
    """Open a database by URL: SQLite (write-ahead log, flushed at every commit) or PostgreSQL.

    The folder of a SQLite file is made when there is none. Raises StoreError, without the URL, which may
    hold a password.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), **POSTGRESQL)
    try:
        engine = sa.create_engine(parsed)
    except sa.exc.ArgumentError:  # a SQLite file on a host
        raise StoreError(UNREADABLE) from None
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    event.listen(engine, "connect", _durable_sqlite)
    return engine


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # the latter of a port that is no number
        raise StoreError(UNREADABLE) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError("the journal's URL must begin with sqlite: or postgresql:")
    return parsed


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the journal's folder cannot be made: {error.strerror}") from error


def _durable_sqlite(connection: Any, _record: Any) -> None:
    """Writers take the lock when they begin, so that none fails half way for having read first."""
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: Any) -> None:
    """SQLite does not wait by itself where several make the same file a write-ahead log at once."""
    deadline_s = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


def migrate_apart(engine: sa.Engine) -> None:
    """Bring our tables to the newest revision, in a process that ends with it. Raises StoreError.

    Tables that newer code has brought further are left as they are, where that says that we can work on them.
    """
    with told(), engine.connect() as connection:
        found = revision_of(connection) or ""
        if found >= newest():
            _check_oldest(found, connection)
            return
    words = [sys.executable, "-m", "millet.edge.journal.migrating"]
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run(words, input=url, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise StoreError(done.stderr.strip().rpartition("\n")[2] or "the journal could not be migrated")


def _check_oldest(found: str, connection: sa.Connection) -> None:
    """Raises StoreError where newer code has changed what we use."""
    asked = sa.select(tables.counter.c.value).where(tables.counter.c.name == "oldest")
    oldest = connection.execute(asked).scalar()
    if found > newest() and (oldest is None or oldest > int(newest())):
        raise StoreError(
            f"a newer version has brought the journal to revision {found}, on which this one, of {newest()}, "
            f"cannot work: millet of revision {oldest or found:04} or newer can"
        )


def say_oldest(connection: sa.Connection) -> None:
    """Write into tables of the newest revision which code can work on them."""
    row = {"name": "oldest", "value": OLDEST}
    connection.execute(sa.delete(tables.counter).where(tables.counter.c.name == "oldest"))
    connection.execute(sa.insert(tables.counter).values(row))


def newest() -> str:
    """The revision that the code is written for."""
    return max(path.stem for path in (MIGRATIONS / "versions").glob("m*.py"))[1:5]


def revision_of(connection: sa.Connection) -> str | None:
    """Where the database stands; None of one that is empty."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(
        sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))
    ).scalar()


def bump(connection: sa.Connection, by: int = 1) -> int:
    """The next revision, or the last of the next few: one for each series that changes.

    Its row is locked until the commit, so revisions appear in their order.

    Whoever changes a series begins with it: were the row of a series locked before it, two writers could
    wait for each other.
    """
    grown = (
        sa.update(tables.counter)
        .where(tables.counter.c.name == "revision")
        .values(value=tables.counter.c.value + by)
        .returning(tables.counter.c.value)
    )
    return int(connection.execute(grown).scalar_one())


@contextmanager
def told() -> Iterator[None]:
    """Say it in our words when the database fails; its own words may hold a row's values."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"the journal failed: {type(error).__name__}") from None
