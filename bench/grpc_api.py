"""The gRPC API against bare grpcio with the same messages, and how soon many watchers know of a commit.

Servers run in processes of their own: ours over a real journal (SQLite), and one that yields the very
messages that ours gave, kept ready in memory. Both are asked by turns; a figure is the median of the rounds.
For the delay this process commits analyses into the journal, as an analyser on the same machine does, while
watchers in another process wait for them over the server: from the return of the commit to each message.
Uploads go to the whole service, journal and all, and to bare grpcio that drops the same messages, or writes
and flushes each before it answers: what is accepted is durable, and that is part of what is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CollectorRegistry
from table import Row, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import analyses
import uploading.bare
from characters import character
from fakes import MemoryObjects
from inferring import series
from instances import START_UTC, entry
from uploading import contest

from millet.core.analysis import Triage, TriageLevel
from millet.edge.grpc_api import GrpcServer, GrpcSources
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.telemetry import Telemetry
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc

RATE, P95_S = 0.8, 0.25
LARGE = "1.2.1"
BEHIND_S = 20.0
"""A watcher that hears nothing for so long is counted with that."""
Ask = Callable[[rpc.AnalysisServiceStub], Any]


def journal_in(folder: Path) -> SqlJournal:
    """The journal of all processes."""
    return SqlJournal(open_engine(sqlite_url(folder / "journal.db")), lambda *_: None, MemoryObjects())


def analysed(journal: SqlJournal, number: int, nodules: int = 2) -> float:
    """The life of one series; the time when its commit returned."""
    came = journal.record(entry(number, series_uid=f"1.2.{number}"))
    journal.close(came.series_id, 1, START_UTC)
    work = journal.claim(came.series_id, 1)
    found = tuple(replace(one, character=character(one)) for one in analyses.spread(nodules))
    told = Triage(level=TriageLevel.URGENT, reasons=("because",))
    made = replace(analyses.analysis(2), nodules=found, triage=told, created_utc=START_UTC)
    journal.commit(work, made, [], [])
    return time.time()


async def serve(folder: Path) -> None:
    """Our server, until this process is ended."""
    journal = journal_in(folder)
    telemetry = Telemetry(CollectorRegistry(), "bench")
    sources = GrpcSources(
        worklist=journal, readers=journal, ready=dict, telemetry=telemetry, utc=lambda: START_UTC
    )
    server = GrpcServer(sources)
    print(await server.start("127.0.0.1", 0), flush=True)
    await asyncio.Event().wait()


class Bare(rpc.AnalysisServiceServicer):
    """The same messages, ready."""

    def __init__(self, folder: Path) -> None:
        self.parts = list(_kept(folder / "stream.bin", pb.StreamAnalysisResponse))
        self.changes = list(_kept(folder / "watch.bin", pb.WatchAnalysesResponse))

    async def StreamAnalysis(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - the rpc's
        """All parts."""
        for part in self.parts:
            yield part

    async def WatchAnalyses(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - the rpc's
        """All changes."""
        for change in self.changes:
            yield change


async def serve_bare(folder: Path) -> None:
    """Bare grpcio, until this process is ended."""
    server = grpc.aio.server()
    rpc.add_AnalysisServiceServicer_to_server(Bare(folder), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def keep(path: Path, messages: Sequence[Any]) -> None:
    """Messages in a file."""
    with path.open("wb") as target:
        for one in messages:
            encoded = one.SerializeToString()
            target.write(len(encoded).to_bytes(4, "big") + encoded)


def _kept(path: Path, kind: Any) -> Iterator[Any]:
    whole = path.read_bytes()
    while whole:
        size = int.from_bytes(whole[:4], "big")
        yield kind.FromString(whole[4 : 4 + size])
        whole = whole[4 + size :]


@contextmanager
def process(role: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """This program in another role."""
    words = [sys.executable, __file__, "--role", role, "--folder", str(folder), *more]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.terminate()


def port_of(running: subprocess.Popen[str]) -> str:
    """What it printed first."""
    assert running.stdout is not None
    return f"127.0.0.1:{int(running.stdout.readline())}"


async def taken(address: str, ask: Ask, count: int) -> tuple[float, list[Any]]:
    """How long so many messages of a stream took, and the messages."""
    async with grpc.aio.insecure_channel(address) as channel:
        stream = ask(rpc.AnalysisServiceStub(channel))
        began_s = time.perf_counter()
        got = []
        async for one in stream:
            got.append(one)
            if len(got) == count:
                break
        took_s = time.perf_counter() - began_s
        stream.cancel()
        return took_s, got


def whole_analysis(stub: rpc.AnalysisServiceStub) -> Any:
    """An analysis of any size."""
    return stub.StreamAnalysis(pb.StreamAnalysisRequest(site="default", series_uid=LARGE))


def whole_worklist(stub: rpc.AnalysisServiceStub) -> Any:
    """Every series, as a watch begins."""
    return stub.WatchAnalyses(pb.WatchAnalysesRequest())


async def rates(folder: Path, chosen: argparse.Namespace) -> list[Row]:
    """Ours and bare by turns."""
    messages = {"stream": chosen.nodules // 1000 + 1 + bool(chosen.nodules % 1000), "watch": chosen.series}
    asks = {"stream": whole_analysis, "watch": whole_worklist}
    with process("ours", folder) as ours:
        address = port_of(ours)
        first = {}
        for name, ask in asks.items():
            first[name], got = await taken(address, ask, messages[name])
            keep(folder / f"{name}.bin", got)
        with process("bare", folder) as bare:
            other = port_of(bare)
            rows = []
            for name, ask in asks.items():
                ratios, pace = [], []
                for _ in range(chosen.rounds):
                    bare_s, _ = await taken(other, ask, messages[name])
                    ours_s, _ = await taken(address, ask, messages[name])
                    ratios.append(bare_s / ours_s)
                    pace.append(messages[name] / ours_s)
                rows.append(
                    _rate(
                        name, ratios, f"{statistics.median(pace):.0f} messages/s; first {first[name]:.2f} s"
                    )
                )
    return rows


def _rate(name: str, ratios: Sequence[float], note: str) -> Row:
    what = {"stream": "an analysis streamed", "watch": "the worklist watched from its beginning"}[name]
    return Row(
        name=f"{what}: rate over bare grpcio",
        unit="ratio",
        value=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        n=len(ratios),
        target=RATE,
        higher_is_better=True,
        note=note,
    )


async def watch(address: str, watchers: int) -> None:
    """Watchers that print when each heard of which series."""

    async def one(stub: rpc.AnalysisServiceStub, number: int) -> None:
        asked = pb.WatchAnalysesRequest(filter=pb.AnalysisFilter(state="analysed"))
        async for change in stub.WatchAnalyses(asked):
            print(json.dumps([change.series.series_uid, number, time.time()]), flush=True)

    channels = [
        grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(8)
    ]
    waiting: list[Awaitable[None]] = [
        one(rpc.AnalysisServiceStub(channels[number % 8]), number) for number in range(watchers)
    ]
    await asyncio.gather(*waiting)


def delays(folder: Path, chosen: argparse.Namespace) -> Row:
    """From the commit to each watcher."""
    journal = journal_in(folder)
    with process("ours", folder) as ours:
        address = port_of(ours)
        with process("watch", folder, "--address", address, "--watchers", str(chosen.watchers)) as watching:
            assert watching.stdout is not None
            heard = map(json.loads, watching.stdout)
            analysed(journal, 10_000_000)
            _all(heard, "1.2.10000000", chosen.watchers)
            found: list[float] = []
            for number in range(10_000_001, 10_000_001 + chosen.commits):
                time.sleep(0.2)
                committed = analysed(journal, number)
                found += [at - committed for at in _all(heard, f"1.2.{number}", chosen.watchers)]
    found.sort()
    return Row(
        name=f"commit to {chosen.watchers} watchers, another process: p95",
        unit="s",
        value=found[int(0.95 * (len(found) - 1))],
        low=found[0],
        high=found[-1],
        n=len(found),
        target=P95_S,
        note=f"median {statistics.median(found):.3f} s over {chosen.commits} commits",
    )


def _all(heard: Iterator[Any], series_uid: str, watchers: int) -> list[float]:
    """When each of them heard of a series."""
    times: list[float] = []
    while len(times) < watchers:
        uid, _, at = next(heard)
        times += [at] if uid == series_uid else []
    return times


def main() -> None:
    """Measure and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", default="", choices=["", "ours", "bare", "watch", *contest.BARE])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--address", default="")
    parser.add_argument("--nodules", type=int, default=20_000)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--commits", type=int, default=20)
    parser.add_argument("--uploads", type=int, default=7)
    parser.add_argument("--slices", type=int, default=400)
    chosen = parser.parse_args()
    roles = {"ours": lambda: serve(chosen.folder), "bare": lambda: serve_bare(chosen.folder)}
    roles["watch"] = lambda: watch(chosen.address, chosen.watchers)
    for kind in contest.BARE:
        roles[kind] = partial(uploading.bare.serve, kind, chosen.folder)
    if chosen.role:
        asyncio.run(roles[chosen.role]())
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        engine = open_engine(sqlite_url(folder / "journal.db"))
        migrate(engine)
        engine.dispose()
        journal = journal_in(folder)
        analysed(journal, 1, chosen.nodules)
        for number in range(2, chosen.series + 1):
            analysed(journal, number)
        rows = asyncio.run(rates(folder, chosen))
        rows.append(delays(folder, chosen))
        sent = series.phantom("case", chosen.slices, seed=0)
        rows += asyncio.run(contest.rows(folder, sent, chosen.uploads, process, port_of))
        write("grpc_api", rows)


if __name__ == "__main__":
    main()
