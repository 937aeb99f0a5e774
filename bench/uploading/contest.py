"""One series after the other, sent to Millet and to bare grpcio by turns."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import grpc
from dimse import messages
from table import ROOT, Row

from millet.codec.part10 import preface
from millet.proto.millet.v1 import submission_service_pb2 as pb

sys.path.extend([str(ROOT / "tests" / part) for part in ("", "service")])
from peers import Millet

METHOD = "/millet.v1.SubmissionService/SubmitInstances"
RATE = 0.8
BARE = {
    "dropping": "bare grpcio that drops them",
    "writing": "bare grpcio that writes and flushes each",
}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
Process = Callable[..., AbstractContextManager[Popen[str]]]


class _Taken(NamedTuple):
    """One upload."""

    rate_per_s: float
    cpu_ms: float
    """Of the server, for each instance, whatever it does beside it."""


def requests(folder: Path, seed: str) -> list[bytes]:
    """The messages of one upload: a series that nobody has seen, an instance a message."""
    made = []
    for path in sorted(folder.glob("*.dcm")):
        instance = messages.Instance.of_file(path.read_bytes())
        head = messages.renamed(instance.head, seed)
        words = preface(
            sop_class_uid=messages.CT_IMAGE.decode(),
            sop_instance_uid=messages.uid(head, messages.SOP_INSTANCE),
            transfer_syntax_uid=instance.syntax,
        )
        made.append(pb.SubmitInstancesRequest(data=words + head + instance.rest).SerializeToString())
    return made


async def sent(address: str, encoded: Sequence[bytes]) -> float:
    """Seconds from the first message to the last answer. Raises RuntimeError where one is not accepted."""

    async def each() -> AsyncIterator[bytes]:
        for one in encoded:
            yield one

    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        began_s = time.perf_counter()
        call = channel.stream_stream(METHOD)(each())
        accepted = 0
        async for answer in call:
            accepted += pb.SubmitInstancesResponse.FromString(answer).accepted
        took_s = time.perf_counter() - began_s
    if accepted != len(encoded):
        raise RuntimeError(f"{len(encoded) - accepted} instances were not accepted")
    return took_s


async def rows(
    folder: Path, series: Path, rounds: int, process: Process, port_of: Callable[..., str]
) -> list[Row]:
    """How fast each is, and ours over both."""
    taken: dict[str, list[_Taken]] = {name: [] for name in ("ours", *BARE)}
    service = Millet(folder / "millet", {"roles": ["receive", "api"]})
    with ExitStack() as ends:
        ends.callback(service.kill)
        servers = {"ours": (f"127.0.0.1:{service.grpc_port}", service.process.pid)}
        for name in BARE:
            running = ends.enter_context(process(name, folder))
            servers[name] = port_of(running), running.pid
        for number in range(rounds + 1):
            for name, (address, pid) in servers.items():
                encoded = requests(series, f"{name}/{number}")
                before_s = _cpu_s(pid)
                took_s = await sent(address, encoded)
                cpu_ms = 1000 * (_cpu_s(pid) - before_s) / len(encoded)
                taken[name] += [_Taken(len(encoded) / took_s, cpu_ms)] if number else []  # the first warms
    return [_row(name, taken["ours"], taken[name]) for name in BARE]


def _row(name: str, ours: Sequence[_Taken], bare: Sequence[_Taken]) -> Row:
    ratios = [one.rate_per_s / other.rate_per_s for one, other in zip(ours, bare, strict=True)]
    both = [[statistics.median(column) for column in zip(*taken, strict=True)] for taken in (ours, bare)]
    (rate_per_s, cpu_ms), (bare_per_s, bare_ms) = both
    return Row(
        name=f"a series of slices uploaded: rate over {BARE[name]}",
        unit="ratio",
        value=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        n=len(ratios),
        target=RATE,
        higher_is_better=True,
        note=f"{rate_per_s:.0f} against {bare_per_s:.0f} instances a second, "
        f"{cpu_ms:.1f} against {bare_ms:.1f} ms of processor each",
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS_PER_S
