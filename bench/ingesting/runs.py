"""One run: a receiver is started on an empty folder, sent to, checked and ended."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from dimse import messages
from table import ROOT

from ingesting import kept, load
from ingesting.load import Sent
from ingesting.receivers import OURS, Receiver
from millet.edge.store import LogSpool

SENT_WITHIN_S = 300
INDEXED_WITHIN_S = 120.0
LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is measured once in each round."""

    receiver: str
    associations: int = 1
    each: int
    """Instances of each association; 0 for every file of the folder, with DCMTK's storescu as it is."""
    data: str = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of it."""

    rate_per_s: float
    """Instances acknowledged, from the first request to the last response of all associations."""
    cpu_ms: float
    """Of the receiver, for each instance."""
    peak_mb: float
    latencies_ms: tuple[float, float] | None = None
    """Median and 99th percentile of an instance, request to response."""
    sender_ms: float = 0.0
    """Processor time of the sender, for each instance."""
    slowest_to_median: float = 1.0
    """Of the times that associations took."""
    lag_s: float = 0.0
    """How long after the last response the last row was in the journal, at most."""
    has_torch: bool = False


def measure(run: Run, folder: Path, seed: str) -> Measured:
    """Send a folder's instances. Raises RuntimeError when sending fails, LostError when any was lost."""
    os.sync()  # what the run before left to be written is not this one's to wait for
    folder = folder.resolve()
    place = Path(tempfile.mkdtemp(prefix="ingest-"))
    try:
        receiver = Receiver(run.receiver, place)
        try:
            send = _storescu if run.each == 0 else _load
            measured = send(receiver, run, folder, seed)
        finally:
            receiver.stop()
        if run.receiver == OURS and run.each:  # DCMTK's storescu encodes anew what it reads
            sent = kept.data_sets(folder, run.associations, run.each, seed)
            spool = LogSpool(place / "state" / "spool", owner="bench")
            kept.check_bytes(kept.rows(place / "state"), spool.read, sent)
        return measured
    finally:
        shutil.rmtree(place)


def _load(receiver: Receiver, run: Run, folder: Path, seed: str) -> Measured:
    before_s = receiver.cpu_s()
    told = _told(
        [sys.executable, "-m", "ingesting.load"]
        + [str(v) for v in (receiver.where.port, folder, run.associations, run.each, seed)]
    )
    sent = [Sent(**one) for one in json.loads(told)]
    acknowledged = [uid for one in sent for uid in one.acknowledged]
    ended_s = max(one.ended_s for one in sent)
    all_held_s = _held_at(receiver, acknowledged)
    return summary(
        sent,
        receiver_cpu_s=receiver.cpu_s() - before_s,
        peak_mb=receiver.peak_mb(),
        lag_s=all_held_s - ended_s,
        has_torch=receiver.has_torch(),
    )


def summary(
    sent: Sequence[Sent], *, receiver_cpu_s: float, peak_mb: float, lag_s: float, has_torch: bool
) -> Measured:
    """The figures of a run from what its associations did."""
    latencies_s = sorted(value for one in sent for value in one.latencies_s)
    count = len(latencies_s)
    took_s = [one.ended_s - one.begun_s for one in sent]
    whole_s = max(one.ended_s for one in sent) - min(one.begun_s for one in sent)
    p99_s = latencies_s[min(count * 99 // 100, count - 1)]
    return Measured(
        rate_per_s=count / whole_s,
        cpu_ms=1000 * receiver_cpu_s / sum(len(one.acknowledged) for one in sent),
        peak_mb=peak_mb,
        latencies_ms=(1000 * statistics.median(latencies_s), 1000 * p99_s),
        sender_ms=1000 * sum(one.cpu_s for one in sent) / count,
        slowest_to_median=max(took_s) / statistics.median(took_s),
        lag_s=lag_s,
        has_torch=has_torch,
    )


def _storescu(receiver: Receiver, run: Run, folder: Path, seed: str) -> Measured:  # noqa: ARG001 - as _load
    files = sorted(folder.glob("*.dcm"))
    acknowledged = [messages.uid(one.head, messages.SOP_INSTANCE) for one in load.read(folder)]
    before_s, begun_s = receiver.cpu_s(), time.perf_counter()
    _told(["storescu", "-aec", "MILLET", "127.0.0.1", str(receiver.where.port), *map(str, files)])
    ended_s = time.perf_counter()
    all_held_s = _held_at(receiver, acknowledged)
    return Measured(
        rate_per_s=len(files) / (ended_s - begun_s),
        cpu_ms=1000 * (receiver.cpu_s() - before_s) / len(files),
        peak_mb=receiver.peak_mb(),
        lag_s=all_held_s - ended_s,
    )


def _told(command: Sequence[str]) -> str:
    """What a sender printed. Raises RuntimeError with its own words when it failed."""
    environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    done = subprocess.run(
        command,
        cwd=ROOT / "bench",
        env=environment,
        capture_output=True,
        text=True,
        timeout=SENT_WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr[-500:]}")
    return done.stdout


def _held_at(receiver: Receiver, acknowledged: Collection[str]) -> float:
    """When a receiver held all that it acknowledged. Raises LostError when it does not come to that."""
    deadline_s = time.perf_counter() + INDEXED_WITHIN_S
    while True:
        now_s = time.perf_counter()
        try:
            kept.check(acknowledged, receiver.held())
        except kept.LostError:
            if now_s > deadline_s:
                raise
        else:
            return now_s
        time.sleep(LOOK_EVERY_S)
