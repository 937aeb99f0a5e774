"""The journal with a million instances against one that holds no more than a page of the worklist.

Both are filled alike, with series that are done: their analyses, objects, deliveries and finished work;
then the life of new series is led in both by turns, and each call is timed. A figure is the quickest
of all rounds in the full journal over the quickest in the empty one, since a call is only ever delayed
by others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from table import Row, read, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import analyses
from fakes import MemoryObjects
from instances import START_UTC, entry
from postgres import Postgres

from millet.codec import header as header_codec
from millet.codec import record
from millet.edge.journal import DurableWork, JournalClock, SqlJournal, open_engine, sqlite_url
from millet.edge.journal.base import Job
from millet.edge.journal.durable import PROTOCOL
from millet.edge.journal.heartbeat import Heart
from millet.edge.journal.migrating import migrate
from millet.edge.journal.stranded import Stranded
from millet.ports import KeptObject, WorklistQuery

PAGE = 50
SERIES, SLICES = 5000, 200
ROUNDS = 60
LIST = f"list, a page of {PAGE}"
BATCH = 256
TARGET = 1.5
NAME = "bench-0"
UNJUDGED = ("counts",)
"""Grows with the number of series, slowly; it is asked for metrics, not for work."""
OUT = Path(__file__).parent / "results"

READS = (
    "arrived",
    "headers",
    "take, nothing due",
    LIST,
    "changed, nothing new",
    "analysis",
    "backlog",
    "put back",
)
"""What changes nothing is asked several times in each round."""
AGAIN = 8

NUMBERS: Mapping[str, Callable[[int], str]] = {
    "sqlite": lambda n: (
        f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})"
        " SELECT i FROM n) AS n"
    ),
    "postgresql": lambda n: f"generate_series(1, {n}) AS n(i)",
}
"""A table of the numbers from 1."""
NOW = "'2026-01-02 03:04:05.000000'"
FILL = f"""
INSERT INTO series (id, site, series_uid, study_uid, patient_id, sender, state, generation, instances,
    first_received_utc, last_received_utc, closed_utc, analyser, triage_order, revision)
  SELECT i, 'default', '1.9.' || i, '1.8.' || i, 'P' || (i / 3), 'CT1', 'analysed', 1, {{slices}},
    {NOW}, {NOW}, {NOW}, '{{name}}', -(i % 4), i FROM {{series}};
INSERT INTO instance (series_id, generation, site, sop_instance_uid, digest, path, size_bytes, received_utc,
    conflict, header)
  SELECT s.id, 1, 'default', s.series_uid || '.' || i, s.id || '-' || i, s.id || '@' || i, 500000, {NOW},
    FALSE, '{{header}}' FROM series AS s CROSS JOIN {{instances}};
INSERT INTO analysis (id, series_id, generation, outcome, triage, nodules, model_digest,
    configuration_digest, document, created_utc, count_reliable)
  SELECT i, i, 1, 'findings', CASE i % 4 WHEN 0 THEN 'not-assessed' WHEN 1 THEN 'unflagged'
    WHEN 2 THEN 'notable' ELSE 'urgent' END, 20, 'm', 'c', '{{document}}', {NOW}, TRUE FROM {{series}};
INSERT INTO object (id, analysis_id, kind, path) SELECT i, i, 'sr', 'o/' || i FROM {{series}};
INSERT INTO delivery (object_id, destination, state, attempts, created_utc, next_try_utc, done_utc)
  SELECT i, 'folder', 'done', 1, {NOW}, {NOW}, {NOW} FROM {{series}}
"""
"""Rows as the journal writes them, of series that are done."""


class Bench:
    """A journal with so many series that are done."""

    def __init__(self, url: str, series: int) -> None:
        self.engine = open_engine(url)
        migrate(self.engine)
        self.work = DurableWork(self.engine, NAME)
        self.journal = SqlJournal(self.engine, self.work.enqueue, MemoryObjects())
        self.stranded = Stranded(self.engine, NAME, PROTOCOL)
        Heart(self.engine, NAME, JournalClock(self.engine)).beat()
        self._series = series
        self._fill()
        self._seen = 0
        self._revision = 0

    def _fill(self) -> None:
        """Rows as the journal writes them, made by the database from one of each."""
        header = header_codec.encode(entry(1).header).replace("'", "''")
        document = record.encode(analyses.analysis(20)).replace("'", "''")
        series, instances = (NUMBERS[self.engine.dialect.name](n) for n in (self._series, SLICES))
        filled = FILL.format(
            series=series, instances=instances, slices=SLICES, name=NAME, header=header, document=document
        )
        with self.engine.begin() as connection:
            for statement in filled.split(";"):
                connection.exec_driver_sql(statement.replace("%", "%%") if self._postgres else statement)
            connection.exec_driver_sql(f"UPDATE counter SET value = {self._series}")
            if self._postgres:
                for table in ("series", "analysis", "object"):
                    connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', {self._series})")
        self._finish_work(series)
        if self._postgres:  # which does so by itself in the long run
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")

    @property
    def _postgres(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    def _finish_work(self, series: str) -> None:
        """As many finished workflows as series, made from one that was enqueued and is taken for done."""
        with self.engine.begin() as connection:
            self.work.enqueue(connection, Job(0, 0))
            schema = "dbos" if self._postgres else None
            for name in ("workflow_status", "workflow_input"):
                table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection)
                if "status" in table.c:
                    done = {"status": "SUCCESS", "executor_id": NAME, "completed_at": table.c.created_at}
                    connection.execute(sa.update(table).values(done))
                others = ", ".join(column.name for column in table.c if column.name != "workflow_uuid")
                connection.exec_driver_sql(
                    f"INSERT INTO {table.fullname} (workflow_uuid, {others})"
                    f" SELECT 'analyse-' || i || '-1', {others} FROM {table.fullname} CROSS JOIN {series}"
                )

    def life(self, number: int) -> Iterator[tuple[str, Callable[[], object]]]:
        """What happens to a new series, call by call."""
        journal, uid, first = self.journal, f"1.7.{number}", number * 1000
        one = entry(first, f"{first:064x}", series_uid=uid)
        batch = [entry(n, f"{n:064x}", series_uid=uid) for n in range(first + 1, first + 1 + BATCH)]
        made = replace(analyses.analysis(20), created_utc=START_UTC)
        objects = [
            KeptObject(kind="sr", path=f"p/{uid}", deliver=True),
            KeptObject(kind="seg", path=f"q/{uid}"),
        ]
        (here,) = yield "record", lambda: [journal.record(one)]
        yield f"record a batch of {BATCH}", lambda: journal.record_all(batch, {"segment": first})
        arrived = yield "arrived, at first", lambda: journal.arrived(NAME, self._seen)
        self._seen = arrived[-1].instance_id
        yield "arrived", lambda: journal.arrived(NAME, self._seen)
        yield "headers", lambda: journal.headers(here.series_id)
        yield "close", lambda: journal.close(here.series_id, 1, START_UTC)
        work = yield "claim", lambda: journal.claim(here.series_id, 1)
        yield "reached", lambda: journal.reached(here.series_id, "detect", 1, 2)
        yield "commit", lambda: journal.commit(work, made, objects, ["folder"])
        due = yield "take", lambda: journal.take("folder", NAME, 60.0)
        yield "delivered", lambda: journal.delivered(due)
        yield "take, nothing due", lambda: journal.take("folder", NAME, 60.0)
        page = yield LIST, lambda: journal.series(WorklistQuery(limit=PAGE))
        assert len(page) == PAGE
        changed = yield "changed", lambda: journal.changed(self._revision or here.series_id)
        self._revision = changed[-1].revision
        yield "changed, nothing new", lambda: journal.changed(self._revision)
        yield "analysis", lambda: journal.analysis(page[0].key)
        yield "counts", journal.counts
        yield "backlog", journal.backlog
        yield "open series", journal.open_series
        yield "known instances", lambda: journal.known_instances("default", [one.header.sop_instance_uid])
        yield "put back", lambda: self.stranded.put_back([])

    def end(self) -> None:
        """Close the database."""
        self.work.stop()
        self.engine.dispose()


def main() -> None:
    """Measure on both databases, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, few rounds")
    told = "this database, beside what was measured before"
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help=told)
    chosen = parser.parse_args()
    series, rounds = (SERIES // 100, 5) if chosen.quick else (SERIES, ROUNDS)
    out = OUT if not chosen.quick else Path("build") / "bench"
    rows = {row.name: row for row in read("journal", out=out)} if chosen.only else {}
    for kind in (chosen.only,) if chosen.only else ("sqlite", "postgresql"):
        with _urls(kind) as urls:
            empty, full = Bench(urls[0], PAGE), Bench(urls[1], series)
            quickest = _measured(empty, full, rounds)
            empty.end()
            full.end()
        measured = [_row(kind, name, *pair, rounds) for name, pair in quickest.items()]
        rows |= {row.name: row for row in measured}
    write("journal", list(rows.values()), out=out)


def _measured(empty: Bench, full: Bench, rounds: int) -> Mapping[str, tuple[float, float]]:
    """The quickest of each call, in ms: empty and full."""
    took: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for number in range(1, rounds + 1):
        lives, answers = [bench.life(number) for bench in (empty, full)], [None, None]
        try:
            while True:
                for which in (0, 1) if number % 2 else (1, 0):
                    name, call = lives[which].send(answers[which])
                    for _ in range(AGAIN if name in READS else 1):
                        begun = time.perf_counter()
                        answers[which] = call()
                        took[name][which].append((time.perf_counter() - begun) * 1000)
        except StopIteration:
            pass
    return {name: (min(pair[0]), min(pair[1])) for name, pair in took.items()}


def _row(kind: str, name: str, empty_ms: float, full_ms: float, rounds: int) -> Row:
    return Row(
        name=f"{kind}: {name}",
        unit="full / empty",
        value=full_ms / empty_ms,
        n=rounds,
        target=None if name in UNJUDGED else TARGET,
        note=f"{full_ms:.2f} ms against {empty_ms:.2f} ms",
    )


@contextmanager
def _urls(kind: str) -> Iterator[tuple[str, str]]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield sqlite_url(Path(folder) / "empty.db"), sqlite_url(Path(folder) / "full.db")
        return
    server = Postgres({"shared_buffers": "256MB", "fsync": "on", "synchronous_commit": "on"})
    try:
        yield server.url(server.fresh()), server.url(server.fresh())
    finally:
        server.end()


if __name__ == "__main__":
    main()
