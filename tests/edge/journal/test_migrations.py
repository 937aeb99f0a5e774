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


def test_an_older_journal_keeps_its_analyses(engine):
    """An analysis that was journalled before its count was judged stays, and nothing is said of its count."""
    migrate(engine, "0001")
    now = "2026-01-02 03:04:05"
    with engine.begin() as connection:
        columns = {c["name"]: c for c in sa.inspect(connection).get_columns("analysis")}
        assert "count_reliable" not in columns
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        row = dict.fromkeys(columns, "x") | {"id": 1, "series_id": 1, "generation": 1, "nodules": 3}
        row["created_utc"] = now
        series = sa.table(
            "series", *(sa.column(c["name"]) for c in sa.inspect(connection).get_columns("series"))
        )
        connection.execute(series.insert().values({c.name: 1 for c in series.columns}))
        analysis = sa.table("analysis", *(sa.column(name) for name in columns))
        connection.execute(analysis.insert().values(row))
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT nodules, count_reliable FROM analysis").all()
    assert kept == [(3, None)]


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
