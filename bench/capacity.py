"""`make bench-capacity`: what one machine takes: series an hour by cores, a burst, memory at its largest.

A burst of series is received while nobody analyses, by several associations at once; then an analyser is
started on one core, on two, as many as there are, and the clock runs from its first claim until the last
report. So its queue is always full, and only analysing is measured. Processor time is told beside
wall time: it hardly depends on what else the machine does meanwhile, and how much that was stands in the
note. `ONLY=rate,large make bench-capacity` measures some of it, beside what was measured before. The page
docs/capacity.md is made of this, of the soak and of other benchmarks (`tools/capacity_page.py`).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inferring import live, series
from soaking import sampling
from table import ROOT, Row, read, write

sys.path.insert(0, str(ROOT / "tests" / "service"))
sys.path.insert(0, str(ROOT / "tests"))
from peers import Millet

BURST = int(os.environ.get("BURST", "12"))
SENDERS = 4
SLICES, NODULES, LARGE_SLICES = 400, 3000, 1500
WITHIN_S = 1800.0
LOOK_S = 0.2
PARTS = ("rate", "large", "bytes")
STAGES = ("read", "lungs", "detect", "second-reader", "measure", "report")
_STAGE = r'^millet_stage_duration_seconds_{what}{{[^}}]*stage="{stage}"[^}}]*}} (\S+)$'


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """What an analyser did with a burst."""

    cores: int
    reports_s: Sequence[float]
    """When each report was there, in its order, from the first claim on."""
    cpu_s: float
    peak_mb: float
    stages_s: Mapping[str, float]
    """Mean wall time of each stage."""
    others: float
    """Cores that were busy with other things meanwhile."""


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    only = [part for part in os.environ.get("ONLY", "").split(",") if part]
    chosen = parser.parse_args([word for part in only for word in ("--only", part)] or None)
    found = {row.name: row for row in (read("capacity") if chosen.only else [])}
    for part in chosen.only or PARTS:
        made = {"rate": _rate, "large": _large, "bytes": _bytes}[part]()
        found |= {row.name: row for row in made}
        write("capacity", list(found.values()))


def _rate() -> Iterator[Row]:
    """Rows of a burst on each number of cores."""
    for cores in range(1, len(os.sched_getaffinity(0)) + 1):
        yield from _absorbed_rows(_absorbed(cores))


def _absorbed(cores: int) -> Absorbed:
    burst = series.phantom("case", SLICES, seed=0)

    def crowd(services: live.Services) -> None:
        waiting = list(range(BURST))
        while waiting:
            now, waiting = waiting[:SENDERS], waiting[SENDERS:]
            for scanner in [live.begin(services, burst, 1000, f"burst{number}") for number in now]:
                live.ended(scanner)
        _on(cores)

    every = os.sched_getaffinity(0)
    try:
        with live.serving({"threads": cores}, apart=True, before=crowd) as services:
            analyser = services.processes[-1]
            return _watched(services, analyser, cores)
    finally:
        os.sched_setaffinity(0, every)


def _on(cores: int) -> None:
    """Have this process, and whatever it starts from now on, run on so many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _watched(services: live.Services, analyser: Millet, cores: int) -> Absorbed:
    pid = analyser.process.pid
    begun_s, cpu_s, busy_s = time.time(), sampling.process(pid)["cpu_s"], _busy_s()
    deadline = time.monotonic() + WITHIN_S
    while len(services.sent()) < BURST and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    there = sorted(path.stat().st_mtime - begun_s for path in services.sent())
    if len(there) < BURST:
        raise RuntimeError(f"{len(there)} of {BURST} series were analysed within {WITHIN_S:.0f} s")
    used_s = sampling.process(pid)["cpu_s"] - cpu_s
    text = analyser.page("metrics")
    return Absorbed(
        cores=cores,
        reports_s=there,
        cpu_s=used_s,
        peak_mb=services.peak_mb(),
        stages_s={stage: _mean_s(text, stage) for stage in STAGES},
        others=max(_busy_s() - busy_s - used_s, 0.0) / there[-1],
    )


def _busy_s() -> float:
    """Seconds in which any core of the machine was busy since it started."""
    first = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq = (int(value) for value in first[:7])
    return (user + nice + system + irq + softirq) / sampling.TICKS


def _mean_s(text: str, stage: str) -> float:
    total, count = (
        float(match[1])
        if (match := re.search(_STAGE.format(what=what, stage=stage), text, re.MULTILINE))
        else 0.0
        for what in ("sum", "count")
    )
    return total / count if count else 0.0


def _absorbed_rows(found: Absorbed) -> Iterator[Row]:
    on = f"on {found.cores} core{'s' if found.cores > 1 else ''}"
    steps = [after - before for before, after in zip([0.0, *found.reports_s], found.reports_s, strict=False)]
    note = f"{found.others:.1f} cores of the machine were busy with other things"
    yield Row(
        name=f"series an hour, queue full, {on}",
        unit="1/h",
        value=3600 * BURST / found.reports_s[-1],
        n=BURST,
        higher_is_better=True,
        note=note,
    )
    yield Row(
        name=f"burst of {BURST} series absorbed, {on}", unit="s", value=found.reports_s[-1], n=1, note=note
    )
    yield Row(
        name=f"between two reports, {on}",
        unit="s",
        value=sorted(steps)[BURST // 2],
        low=min(steps),
        high=max(steps),
        n=BURST,
    )
    yield Row(name=f"processor time a series, {on}", unit="s", value=found.cpu_s / BURST, n=BURST)
    yield Row(name=f"peak memory of the analyser, {on}", unit="MB", value=found.peak_mb, n=1)
    for stage, seconds in found.stages_s.items():
        yield Row(name=f"stage {stage}, {on}", unit="s", value=seconds, n=BURST, note="wall time, the mean")


def _large() -> Iterator[Row]:
    """Rows of the largest series: 1,500 slices of lungs that are full of nodules."""
    large = series.finer(series.phantom("miliary", SLICES, seed=1, nodules=NODULES), LARGE_SLICES)
    with _whole() as service:
        begun_s = time.time()
        last_s = live.ended(live.begin(service, large, 100, "large"))
        at_s = live.handed(service, set())
        [millet] = service.processes
        found = millet.series()
        nodules = next((one.nodules for one in found if one.HasField("nodules")), 0)
        peak_mb = service.peak_mb()
    what = f"{LARGE_SLICES} slices, {NODULES} nodules"
    yield Row(name=f"{what}: peak memory of the service", unit="MB", value=peak_mb, n=1)
    told = f"sent in {last_s - begun_s:.0f} s"
    yield Row(name=f"{what}: last slice to SR", unit="s", value=at_s - last_s, n=1, note=told)
    yield Row(name=f"{what}: nodules reported", unit="", value=nodules, n=1)


@contextmanager
def _whole() -> Iterator[live.Services]:
    """A service with its defaults, as one process."""
    with live.serving({}) as services:
        yield services


def _bytes() -> Iterator[Row]:
    """Rows of what a series takes on the wire and in the spool."""
    raw = series.phantom("case", SLICES, seed=0)
    for name, folder in (("raw", raw), ("JPEG-LS", series.as_jpeg_ls(raw))):
        size_mb = sum(path.stat().st_size for path in folder.glob("*.dcm")) / 1e6
        yield Row(name=f"a series of {SLICES} slices, {name}", unit="MB", value=size_mb, n=1)


if __name__ == "__main__":
    main()
