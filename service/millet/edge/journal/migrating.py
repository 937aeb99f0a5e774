"""The journal's tables brought from one revision to another, by alembic.

`python -m millet.edge.journal.migrating` does so for the URL on its standard input: a service migrates once,
and would keep the ten megabytes of tools for it for as long as it runs.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from millet.edge.journal.database import MIGRATIONS, newest, open_engine, revision_of, say_oldest, told
from millet.edge.journal.tables import metadata
from millet.errors import StoreError

MIGRATION_LOCK = 0x6D696C6C6574
"""Of PostgreSQL's advisory locks, the one of who migrates."""
ALONE_S, AGAIN_S = 60.0, 0.02
"""How long is tried to have all tables at once, and how often."""
ASKING = "SET LOCAL lock_timeout = '1500ms'"
"""Longer than `deadlock_timeout`, after which PostgreSQL's autovacuum ends for who waits."""
IN_USE = "the journal's tables are in use without a pause, by a backup perhaps: start again when it has ended"


def main() -> int:
    """Migrate to the newest revision; what went wrong on standard error."""
    engine = open_engine(sys.stdin.read())
    try:
        migrate(engine)
    except StoreError as failure:
        sys.stderr.write(str(failure))
        return 1
    finally:
        engine.dispose()
    return 0


def migrate(engine: sa.Engine, revision: str = "head", alone_s: float = ALONE_S) -> None:
    """Bring our tables to a revision, up or down ("base" drops them). Raises StoreError.

    Of several processes that start at once one migrates, and the others wait for it. Where somebody reads or
    writes our tables at each moment of `alone_s`, nothing is changed.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with told(), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            if revision_of(connection) != (newest() if revision == "head" else revision):
                _have_alone(connection, alone_s)
        else:  # a table that is made anew must not take with it the rows that refer to it
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        down = revision in _below(config, revision_of(connection))
        (command.downgrade if down else command.upgrade)(config, revision)
        if revision_of(connection) == newest():
            say_oldest(connection)
        connection.commit()
        connection.detach()


def _have_alone(connection: sa.Connection, within_s: float) -> None:
    """Have all our tables at once, or none yet: one after the other would deadlock with who works on them."""
    names = sorted(set(sa.inspect(connection).get_table_names()) & set(metadata.tables))
    quoted = ", ".join(f'"{name}"' for name in names)
    begun_s, asked = time.monotonic(), False
    while names and not _locked(connection, f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE NOWAIT"):
        passed_s = time.monotonic() - begun_s
        if passed_s > within_s:
            raise StoreError(IN_USE)
        if passed_s > within_s / 2 and not asked:
            asked = True
            for name in names:
                _ask_for(connection, name)
        time.sleep(AGAIN_S)


def _locked(connection: sa.Connection, statement: str) -> bool:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except sa.exc.OperationalError:  # somebody is at work
        return False
    return True


def _ask_for(connection: sa.Connection, name: str) -> None:
    """Wait for one table and let it go, holding no other: nobody deadlocks, and autovacuum gives way."""
    with suppress(sa.exc.OperationalError):
        asking = connection.begin_nested()
        try:
            connection.exec_driver_sql(ASKING)
            connection.exec_driver_sql(f'LOCK TABLE "{name}" IN ACCESS EXCLUSIVE MODE')
        finally:
            asking.rollback()


def _below(config: Config, revision: str | None) -> set[str]:
    """The revisions that are reached by going down."""
    scripts = ScriptDirectory.from_config(config)
    older = {one.revision for one in scripts.walk_revisions("base", revision or "base")}
    return (older | {"base"}) - {revision}


if __name__ == "__main__":
    sys.exit(main())
