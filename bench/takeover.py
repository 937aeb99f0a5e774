"""`make bench-takeover`: two analysers on one PostgreSQL, one killed for good; how long its jobs then take.

All are whole processes on one shared folder: one receives and delivers, two analyse. Several series are
sent; as soon as the first analyser has work in hand it is killed (SIGKILL) and never comes back. What it
had in hand, and what waited, must be analysed by the other: the clock runs from the kill until the last
of these series has its report, the time of the analyses themselves included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from inferring import series
from table import ROOT, Row, write

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "service"))
from peers import Millet, storescu, until
from postgres import Postgres

REPETITIONS = 3
SERIES = 4
SLICES = 60
WITHIN_S = 300
IN_HAND = sa.text(
    "SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'PENDING' AND executor_id LIKE :name"
)


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reps", type=int, default=int(os.environ.get("REPS", REPETITIONS)))
    sent = [series.phantom("case", SLICES, seed=seed) for seed in range(SERIES)]
    with tempfile.TemporaryDirectory() as folder:
        database = Postgres({"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
        try:
            found = [
                _taken_over(database, Path(folder) / str(number), sent)
                for number in range(parser.parse_args().reps)
            ]
        finally:
            database.end()
    spread = {"value": statistics.median(found), "low": min(found), "high": max(found), "n": len(found)}
    note = f"{SERIES} series of {SLICES} slices; from SIGKILL to the last report, analyses included"
    name = "jobs of a killed analyser done by the other"
    write("takeover", [Row(name=name, unit="s", target=60, stretch=20, strict=True, note=note, **spread)])


def _taken_over(database: Postgres, folder: Path, sent: list[Path]) -> float:
    shared = {"journal_url": (url := database.url(database.fresh())), "state_dir": str(folder / "shared")}
    with ExitStack() as stack:
        receiver = stack.enter_context(_running(folder / "0", roles=["receive", "deliver", "api"], **shared))
        doomed = stack.enter_context(_running(folder / "1", roles=["analyse", "api"], slot=1, **shared))
        stack.enter_context(_running(folder / "2", roles=["analyse", "api"], slot=2, **shared))
        for one in sent:
            storescu(one, receiver.dicom_port)
        engine = sa.create_engine(url)
        until("the first has work", lambda: _in_hand(engine, "%-1") or None, WITHIN_S, doomed.process)
        doomed.kill()
        killed_s, left = time.monotonic(), _in_hand(engine, "%-1")
        engine.dispose()
        if not left:
            raise RuntimeError("the analyser had nothing in hand when it was killed")
        until("all are reported", lambda: _reported(receiver, len(sent)), WITHIN_S, receiver.process)
        print(f"{len(left)} in hand, all reported after {time.monotonic() - killed_s:.1f} s", flush=True)
        return time.monotonic() - killed_s


@contextmanager
def _running(folder: Path, **settings: object) -> Iterator[Millet]:
    made = Millet(folder=folder, settings=settings)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


def _in_hand(engine: sa.Engine, executor: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(IN_HAND, {"name": executor}).scalars())


def _reported(receiver: Millet, count: int) -> bool | None:
    done = [one for one in receiver.series() if one.state == "analysed" and not one.deliveries_pending]
    return True if len(done) == count else None


if __name__ == "__main__":
    main()
