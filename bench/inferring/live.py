"""Rows of the running service: from the last slice to the report, many series at once, and memory."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from table import ROOT, Row

sys.path.insert(0, str(ROOT / "tests" / "service"))
sys.path.insert(0, str(ROOT / "tests"))
from peers import Millet

WITHIN_S = 600
LOOK_EVERY_S = 0.05
"""Looking costs the service a share of a core; the time that counts is the file's."""
ROUTINE, EMERGENCY = "CT1", "STAT"
PACES = (40, 60, 80, 100)
"""Slices a second, taken in turn."""


@dataclass(frozen=True)
class Services:
    """One service, as one process or as two on one journal; the first receives."""

    processes: Sequence[Millet]
    reports: Path

    @property
    def dicom_port(self) -> int:
        """Where to send to."""
        return self.processes[0].dicom_port

    def peak_mb(self) -> float:
        """Peak memory of the process that analyses."""
        status = Path(f"/proc/{self.processes[-1].process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1000

    def sent(self) -> set[Path]:
        """Reports (SR) that were handed over."""
        return set(self.reports.rglob("sr-*.dcm"))


@contextmanager
def serving(
    settings: Mapping[str, object], *, apart: bool = False, before: Callable[[Services], None] | None = None
) -> Iterator[Services]:
    """A service with its defaults but for `settings`, reports into a folder.

    `apart` it is two processes; what is done `before` is done while the one that analyses is not there yet.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common = {"settle_s": 2.0, "emergency_peers": [EMERGENCY], **settings}
        if not apart:
            processes = [Millet(folder / "all", common)]
            state = folder / "all" / "state"
        else:
            state = folder / "state"
            shared = {**common, "state_dir": str(state)}
            # both have a page, which says when they are ready
            processes = [Millet(folder / "receiver", {**shared, "roles": ["receive", "api"]})]
            if before:
                before(Services(processes, state / "reports"))
            processes.append(Millet(folder / "analyser", {**shared, "roles": ["analyse", "deliver", "api"]}))
        try:
            yield Services(processes, state / "reports")
        finally:
            for process in processes:
                process.terminate()


def begin(
    services: Services, series: Path, pace: float, seed: str, calling: str = ROUTINE
) -> subprocess.Popen[str]:
    """Have a scanner send a series."""
    command = [sys.executable, "-m", "inferring.sender", str(services.dicom_port), str(series), str(pace)]
    return subprocess.Popen([*command, calling, seed], cwd=ROOT / "bench", stdout=subprocess.PIPE, text=True)


def ended(scanner: subprocess.Popen[str]) -> float:
    """When the last slice of a scanner was acknowledged."""
    told, _ = scanner.communicate(timeout=WITHIN_S)
    if scanner.returncode:
        raise RuntimeError("the scanner failed")
    return float(json.loads(told)["last_s"])


def handed(services: Services, before: set[Path]) -> float:
    """When the next report was handed over."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if new := services.sent() - before:
            return min(path.stat().st_mtime for path in new)
        time.sleep(LOOK_EVERY_S)
    raise RuntimeError("no report")


def latencies(services: Services, chests: Sequence[Path], count: int, name: str) -> list[float]:
    """Seconds from the last slice to the report, one series at a time; the first is not counted."""
    found = []
    for number in range(count + 1):
        before = services.sent()
        series = chests[number % len(chests)]
        pace = PACES[number // len(chests) % len(PACES)]
        last_s = ended(begin(services, series, pace, f"{name}{number}"))
        found.append(handed(services, before) - last_s)
        time.sleep(0.5)
    return found[1:]


def latency_rows(
    what: str, seconds: Sequence[float], p50: float, p99: float | None, stretch: float
) -> list[Row]:
    """The median, and the 99th percentile (of twenty, nearly the worst) where it has a target."""
    low, high = min(seconds), max(seconds)
    rows = [
        Row(
            name=f"last slice to SR, {what}, p50",
            unit="s",
            value=statistics.median(seconds),
            low=low,
            high=high,
            n=len(seconds),
            target=p50,
            stretch=stretch,
        )
    ]
    if p99 is not None:
        value = float(np.percentile(seconds, 99))
        rows.append(
            Row(name=f"last slice to SR, {what}, p99", unit="s", value=value, n=len(seconds), target=p99)
        )
    return rows


def per_hour(series: Path, count: int, settings: Mapping[str, object]) -> Row:
    """Series an hour through the whole service, sent one after the other as fast as it takes them."""
    with serving(settings) as services:
        ended(begin(services, series, 1000, "warm"))
        while len(services.sent()) < 1:
            time.sleep(0.05)
        started = time.time()
        for number in range(count):
            ended(begin(services, series, 1000, f"many{number}"))
        while len(services.sent()) < 1 + count:
            time.sleep(0.05)
        last_s = max(path.stat().st_mtime for path in services.sent())
    return Row(
        name="series an hour, 400 raw slices, full path",
        unit="1/h",
        value=3600 * count / (last_s - started),
        n=count,
        target=1000,
        stretch=2000,
        higher_is_better=True,
    )


def emergencies(series: Path, waiting: int, count: int, settings: Mapping[str, object]) -> Row:
    """How much longer an emergency takes while routine series wait; 95th percentiles, the first not counted.

    The routine series were received while nobody analysed: they would not wait else, since they are
    analysed about as fast as they are received.
    """

    def crowd(services: Services) -> None:
        for number in range(waiting):
            ended(begin(services, series, 1000, f"routine{number}"))

    with serving(settings, apart=True) as services:
        quiet = _emergencies(services, series, count + 1)[1:]
    with serving(settings, apart=True, before=crowd) as services:
        crowded = _emergencies(services, series, count + 1)[1:]
        left = waiting - (len(services.sent()) - count - 1)
    alone_s, beside_s = (float(np.percentile(values, 95)) for values in (quiet, crowded))
    return Row(
        name="an emergency while routine series wait, p95 against an idle service",
        unit="",
        value=beside_s / alone_s,
        n=count,
        target=1.3,
        stretch=1.1,
        note=f"{beside_s:.2f} s against {alone_s:.2f} s; of {waiting} routine series {left} waited still",
    )


def _emergencies(services: Services, series: Path, count: int) -> list[float]:
    """Seconds from the last slice to the report, one emergency after the other."""
    found = []
    for number in range(count):
        wanted = _uid_of(series, f"stat{number}")
        last_s = ended(begin(services, series, 60, f"stat{number}", EMERGENCY))
        found.append(_report_of(services, wanted) - last_s)
    return found


def _uid_of(series: Path, seed: str) -> str:
    from inferring.sender import renamed_series_uid

    return renamed_series_uid(next(iter(sorted(series.glob("*.dcm")))), seed)


def _report_of(services: Services, series_uid: str) -> float:
    """When the report of one series was handed over."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        for path in services.sent():
            if series_uid in str(path):
                return path.stat().st_mtime
        time.sleep(LOOK_EVERY_S)
    raise RuntimeError("no report")


def memory_rows(series: Path, at_once: int, settings: Mapping[str, object]) -> list[Row]:
    """Peak memory after one series, and after several that arrive at once."""
    with serving(settings) as services:
        before = services.sent()
        ended(begin(services, series, 60, "one"))
        handed(services, before)
        one_mb = services.peak_mb()
    with serving(settings) as services:
        scanners = [begin(services, series, 15, f"one of {n}") for n in range(at_once)]
        for scanner in scanners:
            ended(scanner)
        while len(services.sent()) < at_once:
            time.sleep(0.2)
        many_mb = services.peak_mb()
    return [
        Row(name="peak memory, one 600-slice series", unit="MB", value=one_mb, n=1, target=1500),
        Row(
            name=f"peak memory, {at_once} such series arriving at once",
            unit="MB",
            value=many_mb,
            n=1,
            target=4000,
        ),
    ]
