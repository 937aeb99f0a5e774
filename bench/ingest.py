"""How fast instances come in, against the receivers that others use, and what it takes.

`make bench-ingest` measures all of it; `ONLY=dcmtk,many REPS=1 make bench-ingest` some of it, beside what was
measured before. In each round every receiver is started afresh and measured once, in another order each time;
a ratio is one of two rates of the same round. What was acknowledged is looked for afterwards, in our case in
the journal and, byte by byte, in the spool; a receiver that has lost any ends the benchmark.

Ours and Orthanc's files are on the disk before the response, the others' are in memory.
"""

from __future__ import annotations

import argparse
import os

from inferring import series
from ingesting.contests import PARTS, rows_of, runs_of
from ingesting.receivers import missing
from ingesting.runs import Measured, Run, measure
from table import read, write

REPETITIONS = 5


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    told = "this part, beside what was measured before; may be repeated"
    parser.add_argument("--only", choices=PARTS, action="append", help=told)
    parser.add_argument("--reps", type=int, default=int(os.environ.get("REPS", REPETITIONS)))
    only = [part for part in os.environ.get("ONLY", "").split(",") if part]
    chosen = parser.parse_args([word for part in only for word in ("--only", part)] or None)
    parts = chosen.only or PARTS
    runs = runs_of(parts)
    absent = {run.receiver: why for run in runs if (why := missing(run.receiver))}
    possible = [run for run in runs if run.receiver not in absent]
    rounds = [_round(possible, number) for number in range(chosen.reps)]
    rows = {row.name: row for row in (read("ingest") if chosen.only else [])}
    write("ingest", list((rows | {row.name: row for row in rows_of(parts, rounds, absent)}).values()))


def _round(runs: list[Run], number: int) -> dict[Run, Measured]:
    """Each run once; the order turns, so that none always comes after the same one."""
    raw = series.phantom("case", 400, seed=0)
    folders = {"raw": raw}
    if any(run.data == "jpegls" for run in runs):
        folders["jpegls"] = series.as_jpeg_ls(raw)
    turn = number % len(runs)
    found = {}
    for run in runs[turn:] + runs[:turn]:
        found[run] = measure(run, folders[run.data], seed=f"round{number}")
        rate = f"{found[run].rate_per_s:.0f} instances a second"
        print(f"round {number}: {run.receiver}, {run.associations}, {run.data}: {rate}", flush=True)
    return found


if __name__ == "__main__":
    main()
