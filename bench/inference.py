"""The streaming inference core: how soon the answer is there, how much of it, and in how much memory.

`make bench-inference` measures all of it in half an hour on two quiet cores; `--quick` runs each part once
or twice, to see that it runs. Rows that need a GPU are in `make bench-gpu`.
"""

from __future__ import annotations

import argparse

from inferring import engine, live, series
from table import Row, read, write

LATENCIES = 20
SERIES = 8
WAITING, EMERGENCIES = 20, 5
AT_ONCE = 8
CHESTS = 4
"""Chests that are sent in turn: windows of one and the same would all have shapes that were met before."""
PARTS = ("latency", "apart", "jpegls", "engine", "rate", "memory", "emergency")
NO_GPU = "not measured: no CUDA device; make bench-gpu"


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each part once or twice")
    told = "this part, beside what was measured before; may be repeated"
    parser.add_argument("--only", choices=PARTS, action="append", help=told)
    parser.add_argument("--precision", default="auto", help="of the network in the running service")
    chosen = parser.parse_args()
    rows = {row.name: row for row in (read("inference") if chosen.only else _gpu_rows())}
    for part in chosen.only or PARTS:
        rows |= {row.name: row for row in _rows(part, chosen.precision, quick=chosen.quick)}
        write("inference", list(rows.values()))


def _rows(part: str, precision: str, *, quick: bool) -> list[Row]:
    case = series.phantom("case", 400, seed=0)
    chests = [series.phantom("case", 400, seed=seed) for seed in range(2 if quick else CHESTS)]
    settings = {"model_precision": precision}
    count = 2 if quick else LATENCIES
    if part == "engine":
        engine.ROUNDS = 1 if quick else engine.ROUNDS
        few = series.phantom("miliary", 400, seed=1, nodules=5)
        many = series.phantom("miliary", 400, seed=1, nodules=2000)
        return engine.window_rows(engine.block(case)) + engine.offline_rows(case, few, many)
    if part in {"latency", "jpegls"}:
        sent = [series.as_jpeg_ls(one) for one in chests] if part == "jpegls" else chests
        count = max(count * 2 // 5, 2) if part == "jpegls" else count
        with live.serving(settings) as services:
            seconds = live.latencies(services, sent, count, part)
        kind = {"latency": "400 raw slices", "jpegls": "400 slices in JPEG-LS"}[part]
        targets = {"latency": (0.5, 1.0, 0.2), "jpegls": (0.7, None, 0.3)}[part]
        return live.latency_rows(f"{kind}, {precision}", seconds, *targets)
    if part == "apart":
        with live.serving(settings, apart=True) as services:
            seconds = live.latencies(services, chests, max(count // 3, 2), part)
        return live.latency_rows(f"receiver and analyser apart, {precision}", seconds, 1.0, None, 0.5)
    if part == "rate":
        return [live.per_hour(case, 2 if quick else SERIES, settings)]
    if part == "emergency":
        waiting, urgent = (2, 2) if quick else (WAITING, EMERGENCIES)
        return [live.emergencies(case, waiting, urgent, settings)]
    return live.memory_rows(series.phantom("case", 600, seed=0), 2 if quick else AT_ONCE, settings)


def _gpu_rows() -> list[Row]:
    return [
        Row(name="GPU time a scan", unit="ms", target=20, stretch=5, note=NO_GPU),
        Row(name="last slice to SR, on a GPU", unit="s", target=1, stretch=0.2, note=NO_GPU),
        Row(name="series an hour, on a GPU", unit="1/h", target=5000, higher_is_better=True, note=NO_GPU),
    ]


if __name__ == "__main__":
    main()
