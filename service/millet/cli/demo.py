"""`millet demo`: the whole road on one machine, with the published case as a phantom."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from millet.cli.phantom import make_phantom
from millet.cli.send import send_folder
from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.core.analysis import Analysis
    from millet.proto.millet.v1 import analysis_service_pb2 as pb
    from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

START_WITHIN_S = 120.0
ANSWER_WITHIN_S = 900.0
ENDED = ("analysed", "not-analysed", "parked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the demo's service lives."""

    folder: Path
    dicom_port: int
    grpc_port: int
    web_port: int

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / "millet.toml"

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.folder / "log.jsonl"


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for phantom, state and log.")] = Path("build/demo"),
) -> None:
    """Start the service on its defaults, send it the case phantom, and show what comes back."""
    import grpc

    from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

    console = Console()
    shutil.rmtree(folder / "state", ignore_errors=True)
    phantom = folder / "case"
    if not (phantom / "truth.csv").exists():
        shutil.rmtree(phantom, ignore_errors=True)
        make_phantom(phantom, "case")
    place = _place(folder.resolve())
    with _service(place) as process, grpc.insecure_channel(f"127.0.0.1:{place.grpc_port}") as channel:
        console.print(f"service started (log: {place.log})", highlight=False, soft_wrap=True)
        sent = send_folder(phantom, f"MILLET@127.0.0.1:{place.dicom_port}")
        stub = AnalysisServiceStub(channel)
        status = _followed(place, stub, console, process)
        _tell(console, place, sent, status, _analysis(stub, status))
        _stay(console)


def _place(folder: Path) -> Place:
    ports = [_free(port) for port in (11112, 50051, 8080)]
    place = Place(folder=folder, dicom_port=ports[0], grpc_port=ports[1], web_port=ports[2])
    folder.mkdir(parents=True, exist_ok=True)
    place.config.write_text(
        f'state_dir = "{folder / "state"}"\ndicom_port = {ports[0]}\n'
        f"grpc_port = {ports[1]}\nweb_port = {ports[2]}\n"
    )
    return place


def _free(port: int) -> int:
    """The port itself where it is free, else any free one."""
    for wanted in (port, 0):
        try:
            with socket.create_server(("127.0.0.1", wanted)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise ServiceError("no free port on the loopback interface")


@contextmanager
def _service(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "millet", "serve", "--config", str(place.config)]
    with place.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own program
    try:
        _ready(place, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _ready(place: Place, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        _alive(place, process)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{place.web_port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ServiceError(f"the service was not ready within {START_WITHIN_S:.0f} s; see {place.log}")


def _alive(place: Place, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise ServiceError(f"the service ended with status {process.returncode}; see {place.log}")


def _followed(
    place: Place, stub: AnalysisServiceStub, console: Console, process: subprocess.Popen[bytes]
) -> pb.SeriesStatus:
    """Print each state of the series until it ended and its reports are out."""
    from millet.proto.millet.v1 import analysis_service_pb2 as pb

    seen, started_s = "", time.monotonic()
    with console.status("") as spinner:
        for event in stub.WatchAnalyses(pb.WatchAnalysesRequest(), timeout=ANSWER_WITHIN_S):
            _alive(place, process)
            status = event.series
            spinner.update(f"{status.state}: {status.instances} instances received")
            if status.state != seen:
                console.print(f"{time.monotonic() - started_s:6.1f} s  {status.state}", highlight=False)
                seen = status.state
            if status.state in ENDED and not status.deliveries_pending:
                return status
    raise ServiceError(f"no answer within {ANSWER_WITHIN_S:.0f} s; see {place.log}")


def _analysis(stub: AnalysisServiceStub, status: pb.SeriesStatus) -> Analysis:
    from millet.codec import wire
    from millet.proto.millet.v1 import analysis_service_pb2 as pb

    request = pb.GetAnalysisRequest(site=status.site, series_uid=status.series_uid)
    return wire.analysis_from_wire(stub.GetAnalysis(request, timeout=30).analysis)


def _tell(console: Console, place: Place, sent: int, status: pb.SeriesStatus, analysis: Analysis) -> None:
    reports = sorted((place.folder / "state" / "reports").rglob("*.dcm"))
    lines = (
        ("received", f"{status.instances} of {sent} instances"),
        ("analysed", f"{status.nodules} nodules, effusions: {len(analysis.effusions)}"),
        ("triage", analysis.triage.level.value),
        *(("because", reason) for reason in analysis.triage.reasons),
        *(("report", str(path)) for path in reports),
        ("page", f"http://127.0.0.1:{place.web_port}/series/{status.site}/{status.series_uid}"),
        ("again", f"make serve CONFIG={place.config}"),
    )
    for name, said in lines:
        console.print(f"[bold]{name:>9}[/]  ", end="")
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    console.print("Research software: a triage aid, no diagnosis, not a medical device.", style="dim")


def _stay(console: Console) -> None:
    if sys.stdin.isatty():
        console.print("The service is running; press Enter to stop it.")
        sys.stdin.readline()
