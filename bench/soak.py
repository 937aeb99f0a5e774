"""`make bench-soak`: a department's load for hours on whole processes, and whether anything grows or is lost.

`HOURS=4 make bench-soak` for four hours, `HOURS=72` for three days; a few minutes where nothing is said, to
see that it runs. Load: 1.5 times the peak hour of a site with 200 chest CTs a day, without a night
(`soaking/plan.py`). A database, the service, a PACS and whoever looks at them are real processes: on
PostgreSQL a receiver, an analyser, a deliverer and an API, with `DATABASE=sqlite` one that is all of them.

Everything lies in a folder (`FOLDER`, build/bench/soak): a soak that was cut off goes on from there, with the
same journal and spool, and says so. SIGTERM ends it early: what was sent is waited for, and judged.
`JUDGE=1` judges one that runs, and leaves it alone, or one that has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from soaking import modality, plan, sampling
from soaking.books import Books
from soaking.judging import Line, Report
from soaking.lines import Lines
from soaking.processes import PARTS, WHOLE, Pacs, Postgres, Server, Service, named, wait_gone
from soaking.rows import Evidence, hours, rows
from soaking.watching import Watchers
from sqlalchemy.exc import OperationalError
from table import OUT, ROOT, write

SEED = 7
SAMPLE_S = 30.0
SCANNERS = 4
"""Studies that are sent at once at most."""
DRAIN_S = 300.0
SETTLED_S = 900.0
"""A soak that still runs is judged by what was sent longer ago than this."""
SETTINGS = {
    "settle_s": 2.0,
    "threads": 1,
    "canary_every_s": 900.0,
    "keep_days": 0.0104,
    "spool_reserve_bytes": 1_000_000_000,
}
"""Fifteen minutes in the spool, so that an hour sees it go; one core, since others work on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    hours: float
    folder: Path
    database: str
    per_hour: float
    size: plan.Size


class Folder:
    """What a soak keeps."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.samples, self.sent, self.received = (
            Lines(path / f"{name}.jsonl") for name in ("samples", "sent", "received")
        )
        self.running, self.books, self.objects = (
            path / f"{name}.json" for name in ("running", "books", "objects")
        )

    def wait_alone(self) -> None:
        """Wait until nothing runs on it any more, if it was cut off."""
        if self.running.exists():
            wait_gone(self.path, json.loads(self.running.read_text("utf-8"))["pids"])

    def evidence(self, books: Books, settled_s: float) -> Evidence:
        """All of it, with the journal as it is now, of which a copy is kept."""
        self.books.write_text(json.dumps({"lines": books.lines(), "reports": books.reports()}))
        self.objects.write_text(json.dumps(books.objects(self.path / "state" / "objects")))
        return self.kept(settled_s)

    def _in_the_pacs(self) -> dict[str, float]:
        """Every object that came there, those included that nobody took out of it yet."""
        lying: dict[str, float] = {}
        for path in (self.path / "pacs" / "inbox").iterdir():
            with suppress(FileNotFoundError):  # taken out meanwhile, and then among the others
                lying[named(path)] = path.stat().st_mtime
        return lying | {line["uid"]: line["at_s"] for line in self.received}

    def kept(self, settled_s: float) -> Evidence:
        """All of it, with the journal as it was when it was read last."""
        told = json.loads(self.books.read_text("utf-8"))
        return Evidence(
            samples=list(self.samples),
            sent=list(self.sent),
            received=self._in_the_pacs(),
            lines=[Line(*line) for line in told["lines"]],
            reports=[Report(*report) for report in told["reports"]],
            objects=json.loads(self.objects.read_text("utf-8")) if self.objects.exists() else {},
            settled_s=settled_s,
        )


class Soak:
    """One life of the processes, from start to end."""

    def __init__(self, asked: Asked, folder: Folder) -> None:
        self._asked, self._folder = asked, folder
        folder.wait_alone()
        before = list(folder.samples)
        self._life = before[-1]["life"] + 1 if before else 1
        self._hours_before = hours(before) if before else 0.0
        self.stop = threading.Event()
        path = folder.path
        self._pacs = Pacs(path / "pacs")
        self._servers: dict[str, Server] = {"pacs": self._pacs.server}
        postgres = Postgres(path / "postgres") if asked.database == "postgresql" else None
        if postgres:
            self._servers["database"] = postgres.server
        url = postgres.url if postgres else f"sqlite:///{path / 'state' / 'journal.db'}"
        settings = {**SETTINGS, "destination": f"PACS@127.0.0.1:{self._pacs.port}"}
        settings |= {"journal_url": url} if postgres else {}
        service = Service(path, settings, PARTS if postgres else WHOLE)
        self._servers |= service.servers
        self._books = Books(url)
        folder.running.write_text(
            json.dumps({"url": url, "pids": [one.pid for one in self._servers.values()]})
        )
        self._watchers = Watchers(service.grpc_port, service.web_port, service.metrics_ports)
        self._modality = modality.Modality(service.dicom_port, asked.size, folder.sent, self.stop)
        self._begun_s = self._sampled_s = time.time()

    def run(self) -> None:
        """Send, sample, and end: when the hours are over or when it is asked to stop."""
        again, number = modality.unfinished(self._folder.sent)
        with ThreadPoolExecutor(SCANNERS) as scanners:
            sending = [scanners.submit(self._send, one) for one in again]
            due_s = time.time()
            self._sample()
            while not self._over():
                if time.time() >= due_s:
                    sending.append(scanners.submit(self._send, number))
                    due_s += plan.gap_s(SEED, number, self._asked.per_hour)
                    number += 1
                self._tick(due_s)
            self.stop.set()
        for one in sending:
            one.result()
        deadline = time.time() + DRAIN_S
        while self._books.open() and time.time() < deadline:
            time.sleep(2)
            self._tick(time.time())
        time.sleep(3)
        self._sample()

    def end(self) -> None:
        """Stop everything, last started first."""
        self._watchers.close()
        for server in reversed(self._servers.values()):
            server.end()

    def evidence(self) -> Evidence:
        """What is known at the end."""
        return self._folder.evidence(self._books, time.time())

    def _over(self) -> bool:
        ran = self._hours_before + (time.time() - self._begun_s) / 3600
        dead = [name for name, server in self._servers.items() if not server.alive]
        if dead:
            self._modality.lost.set()
            raise RuntimeError(f"{', '.join(dead)}: ended by itself")
        return self.stop.is_set() or ran >= self._asked.hours

    def _send(self, number: int) -> None:
        self._modality.send(plan.study(SEED, number, self._asked.size))

    def _tick(self, due_s: float) -> None:
        """Wait for the next study or sample, and take the sample."""
        next_s = min(due_s, self._sampled_s + SAMPLE_S)
        self.stop.wait(max(next_s - time.time(), 0))
        if time.time() >= self._sampled_s + SAMPLE_S:
            self._sample()

    def _sample(self) -> None:
        self._sampled_s = time.time()
        for uid, at_s in self._pacs.taken():
            self._folder.received.add({"uid": uid, "at_s": at_s})
        state = self._folder.path / "state"
        self._folder.samples.add(
            {
                "at_s": self._sampled_s,
                "life": self._life,
                "studies": sum(line["event"] == "ended" for line in self._folder.sent),
                "processes": {name: sampling.process(one.pid) for name, one in self._servers.items()},
                "tables": sampling.tables(self._books.engine),
                "disk": {name: sampling.folder_bytes(state / name) for name in ("spool", "objects", "audit")},
                "gauges": sampling.gauges(self._watchers.metrics),
                "looks": {"changes": self._watchers.changes, "failures": self._watchers.failures},
            }
        )


def main() -> None:
    """Soak, judge, print the table and write it."""
    asked = _asked()
    folder = Folder(asked.folder)
    if os.environ.get("JUDGE"):
        write("soak", rows(_told(folder)), out=asked.folder)
        return
    for kind in (plan.THIN, plan.THICK):
        for number in range(len(plan.CHESTS) * len(plan.ENCODINGS)):
            for series in plan.study(SEED, number, asked.size).series:
                if series.kind == kind:
                    modality.folder_of(series, asked.size)
    soak = Soak(asked, folder)

    def ended(_number: int, _frame: FrameType | None) -> None:
        soak.stop.set()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    try:
        soak.run()
        found = rows(soak.evidence())
    finally:
        soak.end()
    for out in (asked.folder, OUT):
        write("soak", found, out=out)


def _told(folder: Folder) -> Evidence:
    """Of a soak that runs, what has settled; of one that has ended, all."""
    url = json.loads(folder.running.read_text("utf-8"))["url"]
    try:
        return folder.evidence(Books(url), time.time() - SETTLED_S)
    except OperationalError:
        return folder.kept(time.time())


def _asked() -> Asked:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    told = os.environ.get
    parser.add_argument("--hours", type=float, default=float(told("HOURS", "0.1")))
    parser.add_argument("--folder", type=Path, default=Path(told("FOLDER", str(ROOT / "build/bench/soak"))))
    parser.add_argument(
        "--database", choices=("postgresql", "sqlite"), default=told("DATABASE", "postgresql")
    )
    usual = plan.NOMINAL_PER_HOUR * plan.FACTOR
    parser.add_argument("--per-hour", type=float, default=float(told("PER_HOUR", str(usual))), help="studies")
    parser.add_argument("--slices", type=int, default=int(told("SLICES", "400")), help="of a thin series")
    given = parser.parse_args()
    size = plan.Size(thin=given.slices)
    return Asked(
        hours=given.hours,
        folder=given.folder.resolve(),
        database=given.database,
        per_hour=given.per_hour,
        size=size,
    )


if __name__ == "__main__":
    main()
