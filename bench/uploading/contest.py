"""One series after the other, sent to Millet and to bare grpcio by turns."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from subprocess import Popen

import grpc
from dimse import messages
from table import ROOT, Row

from millet.codec.part10 import preface
from millet.proto.millet.v1 import submission_service_pb2 as pb

sys.path.insert(0, str(ROOT / "tests" / "service"))
from peers import Millet

METHOD = "/millet.v1.SubmissionService/SubmitInstances"
RATE = 0.8
BARE = {
    "dropping": "bare grpcio that drops them",
    "writing": "bare grpcio that writes and flushes each",
}
Process = Callable[..., AbstractContextManager[Popen[str]]]


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
    taken: dict[str, list[float]] = {name: [] for name in ("ours", *BARE)}
    cpu_ms = []
    service = Millet(folder / "millet", {"roles": ["receive", "api"]})
    with ExitStack() as ends:
        ends.callback(service.kill)
        addresses = {"ours": f"127.0.0.1:{service.grpc_port}"}
        for name in BARE:
            addresses[name] = port_of(ends.enter_context(process(name, folder)))
        for number in range(rounds + 1):
            for name, address in addresses.items():
                encoded = requests(series, f"{name}/{number}")
                before_s = _cpu_s(service.process.pid)
                took_s = await sent(address, encoded)
                if number:  # the first warms
                    taken[name].append(len(encoded) / took_s)
                if name == "ours" and number:
                    cpu_ms.append(1000 * (_cpu_s(service.process.pid) - before_s) / len(encoded))
    ours = statistics.median(taken["ours"])
    return [_row(name, taken, f"{ours:.0f} instances a second") for name in BARE]


def _row(name: str, taken: dict[str, list[float]], note: str) -> Row:
    ratios = [ours / bare for ours, bare in zip(taken["ours"], taken[name], strict=True)]
    return Row(
        name=f"a series of slices uploaded: rate over {BARE[name]}",
        unit="ratio",
        value=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        n=len(ratios),
        target=RATE,
        higher_is_better=True,
        note=f"{note} against {statistics.median(taken[name]):.0f}",
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / 100
