"""The journal's database: how it is opened, migrated and waited for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from millet.edge.journal import tables
from millet.errors import StoreError

BUSY_MS = 30_000
"""How long a writer waits for another one before it fails."""
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "millet_version"
MIGRATION_LOCK = 0x6D696C6C6574
"""Of PostgreSQL's advisory locks, the one of who migrates."""
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
    engine = sa.create_engine(parsed)
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    event.listen(engine, "connect", _durable_sqlite)
    return engine


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError("the journal's URL cannot be read") from None
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
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring our tables to a revision, up or down ("base" drops them). Raises StoreError.

    Of several processes that start at once one migrates, and the others wait for it.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with told(), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        else:  # a table that is made anew must not take with it the rows that refer to it
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        down = revision in _below(config, _revision(connection))
        (command.downgrade if down else command.upgrade)(config, revision)
        connection.commit()
        connection.detach()


def _revision(connection: sa.Connection) -> str | None:
    """Where the database stands."""
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def _below(config: Config, revision: str | None) -> set[str]:
    """The revisions that are reached by going down."""
    scripts = ScriptDirectory.from_config(config)
    older = {one.revision for one in scripts.walk_revisions("base", revision or "base")}
    return (older | {"base"}) - {revision}


def bump(connection: sa.Connection) -> int:
    """The next revision. Its row is locked until the commit, so revisions appear in their order.

    Whoever changes a series begins with it: were the row of a series locked before it, two writers could
    wait for each other.
    """
    grown = (
        sa.update(tables.counter)
        .where(tables.counter.c.name == "revision")
        .values(value=tables.counter.c.value + 1)
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
