from __future__ import annotations

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import analyses
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fakes import MemoryObjects
from instances import START_UTC, entry, header
from postgres import Postgres

from millet.edge.journal import SqlJournal, migrate_apart, open_engine, sqlite_url
from millet.edge.journal.database import OLDEST, newest, revision_of
from millet.edge.journal.migrating import migrate
from millet.edge.journal.tables import metadata
from millet.errors import StoreError
from millet.ports import KeptObject, WorklistQuery


@pytest.fixture
def engine(empty_url):
    """An empty database of either kind."""
    made = open_engine(empty_url)
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


def filled(engine):
    """A journal through which one series has gone to its delivery, and another one that is open."""
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    recorded = journal.record_all([entry(1), entry(2, series_uid="1.2.9")], {"a": 7})[0]
    journal.close(recorded.series_id, 1, START_UTC)
    work = journal.claim(recorded.series_id, 1)
    kept = KeptObject(kind="sr", path="aa/sr", deliver=True)
    journal.commit(work, replace(analyses.analysis(), created_utc=START_UTC), [kept], ["folder"])
    return journal


def counted(engine):
    """How many rows each of the first tables holds."""
    names = "series", "instance", "analysis", "object", "delivery", "counter"
    with engine.connect() as connection:
        return {name: connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) for name in names}


EXPECTED = {"series": 2, "instance": 2, "analysis": 1, "object": 1, "delivery": 1, "counter": 2}


@pytest.mark.parametrize("revision", ["0001", "0003", "0005", "0009", "0010"])
def test_down_to_each_revision_and_up_again_keeps_the_rows(engine, revision):
    """A journal that is full goes back to what an older version reads, and comes again."""
    migrate(engine)
    before = filled(engine).series(WorklistQuery())
    migrate(engine, revision)
    assert counted(engine) == EXPECTED
    migrate(engine)
    assert counted(engine) == EXPECTED
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    assert [one.key for one in journal.series(WorklistQuery())] == [one.key for one in before]
    assert journal.series(WorklistQuery(triage=before[0].triage))[0].key == before[0].key
    assert journal.record(entry(3)).generation == 2
    assert journal.take("folder", "one", 60.0).kind == "sr"


def test_series_that_shared_a_revision_are_told_apart(engine):
    """Each but the first is told to watchers once more, behind all that was."""
    migrate(engine, "0011")
    columns = (
        "id, site, series_uid, state, generation, instances, first_received_utc, last_received_utc, revision"
    )
    with engine.begin() as connection:
        for number, revision in ((1, 5), (2, 5), (3, 4), (4, 5)):
            at = "'2026-01-02 03:04:05'"
            row = f"{number}, 'default', '1.2.{number}', 'receiving', 1, 1, {at}, {at}, {revision}"
            connection.execute(sa.text(f"INSERT INTO series ({columns}) VALUES ({row})"))
        connection.execute(sa.text("UPDATE counter SET value = 5 WHERE name = 'revision'"))
    migrate(engine)
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    assert [(line.key.series_uid, line.revision) for line in journal.changed(0)] == [
        ("1.2.3", 4),
        ("1.2.1", 5),
        ("1.2.2", 6),
        ("1.2.4", 7),
    ]
    assert journal.revision() == 7


def test_whoever_commits_meanwhile_goes_on(engine):
    """Older processes work while tables change: no deadlock takes them or who migrates for its victim."""
    migrate(engine, "0014")
    filled_with(engine, 5000)
    over, troubles = threading.Event(), []

    def committing():
        number = 10_000
        while not over.is_set():
            number += 1
            try:
                with engine.begin() as connection:
                    for table, values in made_by_one_commit(number):
                        connection.execute(sa.text(f"INSERT INTO {table} VALUES ({values})"))
            except sa.exc.OperationalError as error:
                troubles.append(error)
            over.wait(0.005)  # SQLite gives its lock to whoever asks at the right moment

    worker = threading.Thread(target=committing)
    worker.start()
    try:
        migrate(engine)
    finally:
        over.set()
        worker.join()
    assert troubles == []


def test_who_reads_without_end_keeps_tables_from_being_changed(postgres):
    """As a backup does: nothing is changed, and it is said why; older processes go on."""
    engine = open_engine(postgres.url(postgres.fresh()))
    migrate(engine, "0014")
    with engine.connect() as reading:
        assert reading.execute(sa.text("SELECT * FROM delivery")).all() == []
        with pytest.raises(StoreError, match="in use without a pause"):
            migrate(engine, alone_s=0.1)
        with engine.connect() as connection:
            assert revision_of(connection) == "0014"
    migrate(engine)
    engine.dispose()


def test_a_database_that_tidies_up_gives_way():
    """PostgreSQL's autovacuum, which may take many minutes on a large table, ends for who waits for that."""
    server = Postgres({"autovacuum_naptime": "1s"})
    engine = open_engine(server.url(server.fresh()))
    try:
        migrate(engine, "0016")
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for statement in TIDYING:
                connection.execute(sa.text(statement))
            ends_s = time.monotonic() + 120
            while not connection.execute(sa.text(TIDIES)).all():
                assert time.monotonic() < ends_s, "it never begins"
                time.sleep(0.1)
            connection.execute(sa.text("ALTER SYSTEM SET autovacuum_naptime = '1h'"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        migrate(engine, alone_s=4.0)
    finally:
        engine.dispose()
        server.end()


SLOWLY = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
ALWAYS = "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0"
TIDYING = (
    f"ALTER TABLE counter SET ({SLOWLY}, {ALWAYS})",
    "INSERT INTO counter (name, value) SELECT 'x' || i, i FROM generate_series(1, 60000) i",
    "DELETE FROM counter WHERE name LIKE 'x%'",
)
TIDIES = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'autovacuum:%counter%'"
AT = "'2026-01-02 03:04:05'"


def made_by_one_commit(number):
    """Rows in the order in which they are written when an analysis is committed, as of revision 14."""
    columns = (
        "id, series_id, generation, outcome, triage, nodules, model_digest, configuration_digest, document"
    )
    yield (
        f"analysis ({columns}, created_utc)",
        f"{number}, 1, {number}, 'none-found', 'unflagged', 0, 'm', 'c', '{{}}', {AT}",
    )
    yield "object (id, analysis_id, kind, path)", f"{number}, {number}, 'hl7-oru', 'p'"
    yield (
        "delivery (id, object_id, destination, state, attempts, created_utc, next_try_utc)",
        f"{number}, {number}, 'ris', 'pending', 0, {AT}, {AT}",
    )


def filled_with(engine, count):
    """A series with so many generations."""
    columns = (
        "id, site, series_uid, state, generation, instances, first_received_utc, last_received_utc, revision"
    )
    with engine.begin() as connection:
        row = f"1, 'default', '1.2.3', 'receiving', 1, 1, {AT}, {AT}, 1"
        connection.execute(sa.text(f"INSERT INTO series ({columns}) VALUES ({row})"))
        for number in range(1, count + 1):
            for table, values in made_by_one_commit(number):
                connection.execute(sa.text(f"INSERT INTO {table} VALUES ({values})"))


def brought_further(engine, oldest):
    """The journal as newer code leaves it, which says from which revision on one can work on it."""
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE millet_version SET version_num = '9999'"))
        connection.execute(
            sa.text("UPDATE counter SET value = :oldest WHERE name = 'oldest'"), {"oldest": oldest}
        )


def test_older_code_works_on_what_newer_code_only_added_to(engine):
    """Who goes back to this version finds the journal further than it knows, and goes on."""
    brought_further(engine, int(newest()))
    migrate_apart(engine)
    assert len(filled(engine).series(WorklistQuery())) == EXPECTED["series"]


def test_older_code_leaves_alone_what_newer_code_changed(engine):
    """It refuses to start, and says which version it takes; nothing is changed."""
    brought_further(engine, int(newest()) + 1)
    words = rf"newer version has brought the journal to revision 9999, on which this one, of {newest()}"
    with pytest.raises(StoreError, match=words):
        migrate_apart(engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM millet_version")) == "9999"


def test_what_newer_code_added_does_not_hinder_older_code(engine):
    """Each column that a migration since then has added is one that older code need not fill."""
    migrate(engine, f"{OLDEST:04}")
    before = {name: {c["name"] for c in sa.inspect(engine).get_columns(name)} for name in ours(engine)}
    migrate(engine)
    for name, known in before.items():
        added = [c for c in sa.inspect(engine).get_columns(name) if c["name"] not in known]
        assert all(c["nullable"] or c["default"] is not None for c in added)
        assert known <= {c["name"] for c in sa.inspect(engine).get_columns(name)}


def test_of_an_older_analysis_nothing_is_said_of_its_count(engine):
    """What was not judged when it was journalled is not known later."""
    migrate(engine)
    filled(engine)
    migrate(engine, "0001")
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT nodules, count_reliable FROM analysis")).all()
    assert kept == [(len(analyses.analysis().nodules), None)]


def test_processes_that_start_at_once_migrate_once(engine):
    """Each comes back with the tables there."""
    others = [open_engine(engine.url.render_as_string(hide_password=False)) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(migrate, others))
    assert ours(engine) == set(metadata.tables)
    for other in others:
        other.dispose()


@pytest.mark.parametrize(
    "url", ["nonsense sesame", "mysql://u:sesame@h/d", "postgresql://u:sesame@127.0.0.1:1/none"]
)
def test_a_password_is_told_to_nobody(url, caplog):
    """A URL that cannot be read, or leads nowhere, is told of without what is in it."""
    with pytest.raises(StoreError) as failure:
        migrate(open_engine(url))
    assert "sesame" not in "".join(traceback.format_exception(failure.value)) + caplog.text


def test_sqlite_is_opened_durably(tmp_path):
    """Write-ahead log, flushed at every commit, foreign keys held, after a migration too."""
    migrate(engine := open_engine(sqlite_url(tmp_path / "journal.db")))
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with engine.connect() as connection:
        asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    engine.dispose()
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


def test_messages_and_results_of_before_keep_their_order(engine):
    """What older code left is about its study or its series; of a digest it is not known."""
    migrate(engine)
    journal = filled(engine)
    kinds = ("hl7-oru", "notice-a", "urgent-b", "digest-c", "seg")
    with engine.begin() as connection:
        at = "'2026-01-02 03:04:05'"
        for number, kind in enumerate(kinds, start=2):
            made = f"{number}, 1, '{kind}', 'aa'"
            connection.execute(sa.text(f"INSERT INTO object (id, analysis_id, kind, path) VALUES ({made})"))
            columns = "object_id, destination, state, attempts, created_utc, next_try_utc"
            row = f"{number}, 'ris', 'pending', 0, {at}, {at}"
            connection.execute(sa.text(f"INSERT INTO delivery ({columns}) VALUES ({row})"))
    migrate(engine, "0014")
    migrate(engine)
    study, series = header(1).study_uid, header(1).series_uid
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT kind, uid, number FROM topic JOIN delivery ON delivery.id = delivery_id"
                " JOIN object ON object.id = object_id ORDER BY delivery_id"
            )
        ).all()
    assert rows == [("hl7-oru", series, 1), ("notice-a", study, 1), ("urgent-b", study, 2)]
    assert journal.backlog()["ris"].waiting == len(kinds)
