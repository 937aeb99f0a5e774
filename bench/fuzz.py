"""Fuzzing: mutated objects through the parser, mutated associations into a running service.

    make fuzz MINUTES=30 [SEED=1]

Both at once. Beside the mutated associations an honest neighbour sends all the time: each of its instances
must be acknowledged in time and journalled in the end. An object or a conversation that does what none may
is kept below build/fuzz, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from table import OUT, Row, write

sys.path.extend(
    [str(Path(__file__).resolve().parents[1] / "tests" / part) for part in ("fuzz", "", "service")]
)
import fuzz_lines
import fuzz_objects
from fuzz_lines import Neighbour
from peers import Millet, until

from millet.codec.ct import read_header
from millet.edge.decoding.pool import Decoders
from millet.edge.store import LogSpool

KEPT = OUT.parent / "fuzz"
MOST_GROWN_BYTES = 500 << 20
LOOSE_END_S = 60
"""For the service to let go of the last connections that were dropped."""


class Lines(threading.Thread):
    """Mutated associations, in a thread of their own."""

    def __init__(self, service: Millet, seed: int, seconds: float) -> None:
        super().__init__(name="lines")
        self._service, self._seed, self._seconds = service, seed, seconds
        self.count = 0
        self.failure = ""

    def run(self) -> None:
        """Until time is up or nobody listens."""
        last: list[bytes] = []
        try:
            for parts in fuzz_lines.fuzz(self._service.dicom_port, self._seed, seconds=self._seconds):
                last = parts
                self.count += 1
        except OSError as failure:
            self.failure = f"behind {keep(b''.join(last), 'pdus')}: {failure}"


def keep(data: bytes, suffix: str) -> Path:
    """Keep what broke something, by its content."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
    path.write_bytes(data)
    return path


def main() -> None:
    """Fuzz, then look at what is left of the service."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--minutes", type=float, default=float(os.environ.get("MINUTES", "1")))
    asked.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")))
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Millet(
            Path(folder) / "millet", {"roles": ["receive", "api"], "settle_s": 600.0, "gap_wait_s": 600.0}
        )
        try:
            rows = _fuzzed(service, options.seed, 60 * options.minutes)
        finally:
            service.kill()
    write("fuzz", rows)
    if any(row.met is False for row in rows):
        sys.exit(1)


def _fuzzed(service: Millet, seed: int, seconds: float) -> Sequence[Row]:
    neighbour, lines, decoders = Neighbour(service.dicom_port), Lines(service, seed, seconds), Decoders(1)
    before = _resident(service), _open_files(service)
    began_s = time.monotonic()
    neighbour.start()
    lines.start()
    faults: Counter[str] = Counter()
    count = slices = 0
    for found in fuzz_objects.fuzz(seed, decoders.decode, seconds=seconds):
        count += 1
        if isinstance(found, fuzz_objects.Fault):
            faults[found.what] += 1
            print(keep(found.data, "dcm"), found.what)
        else:
            slices += found
    decoders.stop()
    lines.join()
    neighbour.stop()
    alive = service.process.poll() is None
    lost = _lost(service, neighbour) if alive else len(neighbour.acknowledged)
    took = f"{(time.monotonic() - began_s) / 60:.1f} minutes, seed {seed}"
    errors = _errors(service)
    for what in (*neighbour.failures[:20], *errors[:20], lines.failure):
        print(what)
    grown = _resident(service) - before[0] if alive else 0
    note = f"{slices} of {count} were still slices; {dict(faults)}"
    return (
        Row(name="objects", unit="", value=count, note=took),
        Row(name="objects that were no plain verdict", unit="", value=faults.total(), target=0, note=note),
        Row(name="associations", unit="", value=lines.count, note=lines.failure),
        Row(name="crashes of the service", unit="", value=int(not alive), target=0),
        Row(name="errors in its log", unit="", value=len(errors), target=0),
        Row(name="neighbour's instances acknowledged", unit="", value=len(neighbour.acknowledged)),
        Row(name="neighbour's instances refused or late", unit="", value=len(neighbour.failures), target=0),
        Row(name="neighbour's instances acknowledged and lost", unit="", value=lost, target=0),
        Row(
            name="neighbour's slowest answer", unit="s", value=neighbour.slowest_s, target=fuzz_lines.ANSWER_S
        ),
        Row(name="memory grown by", unit="MB", value=grown / 1e6, target=MOST_GROWN_BYTES / 1e6),
        Row(name="files left open", unit="", value=_left_open(service, before[1]) if alive else 0, target=8),
    )


def _lost(service: Millet, neighbour: Neighbour) -> int:
    """Acknowledged, and not journalled and readable within a minute."""
    wanted, paths = set(neighbour.acknowledged), _journalled(service)
    deadline_s = time.monotonic() + LOOSE_END_S
    while wanted - paths.keys() and time.monotonic() < deadline_s:
        time.sleep(0.5)
        paths = _journalled(service)
    spool = LogSpool(service.folder / "state" / "spool", "fuzz")
    here = wanted & paths.keys()
    read = sum(read_header(spool.read(paths[uid])).sop_instance_uid == uid for uid in here)
    return len(wanted) - read


def _journalled(service: Millet) -> dict[str, str]:
    """Where each instance lies, by its UID."""
    journal = service.folder / "state" / "journal.db"
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as rows:
        return dict(rows.execute("SELECT sop_instance_uid, path FROM instance"))


def _errors(service: Millet) -> list[str]:
    """Lines of the log that say that something failed, once each."""
    lines = (json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{"))
    return sorted({str(one.get("message")) for one in lines if one.get("level") in {"ERROR", "CRITICAL"}})


def _resident(service: Millet) -> int:
    pages = Path(f"/proc/{service.process.pid}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _open_files(service: Millet) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


def _left_open(service: Millet, before: int) -> int:
    """Descriptors more than at the beginning, once the service had time to notice who went."""
    until(
        "connections are let go",
        lambda: True if _open_files(service) <= before + 8 else None,
        LOOSE_END_S,
        service.process,
    )
    return _open_files(service) - before


if __name__ == "__main__":
    main()
