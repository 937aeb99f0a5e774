from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from millet.edge.journal import migrate, open_engine, sqlite_url
from millet.edge.journal.tables import metadata
from millet.errors import StoreError


@pytest.fixture
def engine(tmp_path):
    """An empty database."""
    made = open_engine(sqlite_url(tmp_path / "journal.db"))
    yield made
    made.dispose()


def ours(engine):
    """Our tables in the database."""
    return set(sa.inspect(engine).get_table_names()) - {"millet_version"}


def test_the_migrations_make_the_tables_that_the_code_uses(engine):
    """After migrating, alembic finds nothing that the tables of the code would change."""
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "millet_version"})
        assert compare_metadata(context, metadata) == []


def test_up_down_and_up_again(engine):
    """Migrating down leaves no table of ours, and up again works; twice up is once."""
    migrate(engine)
    assert ours(engine) == set(metadata.tables)
    migrate(engine, "base")
    assert ours(engine) == set()
    migrate(engine)
    migrate(engine)
    assert ours(engine) == set(metadata.tables)


def test_sqlite_is_opened_durably(engine):
    """Write-ahead log, flushed at every commit, foreign keys held."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with engine.connect() as connection:
        asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    assert asked == wanted


def test_the_folder_is_made_when_there_is_none(tmp_path):
    """A first start needs nothing prepared; a folder that cannot be made is told in our words."""
    engine = open_engine(sqlite_url(tmp_path / "new" / "state" / "journal.db"))
    migrate(engine)
    engine.dispose()
    assert (tmp_path / "new" / "state" / "journal.db").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be made"):
        open_engine(sqlite_url(tmp_path / "file" / "journal.db"))
