"""The real programs around the service: Orthanc as the PACS, DCMTK as the scanner, Millet itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import grpc
import pytest
from ports import free_port

from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

ENDED = frozenset({"analysed", "not-analysed", "parked"})
REPORTS = ("cad", "sr", "summary")
"""DICOM objects of every series that ended, by kind."""
OBJECTS = ("gsps", "kos", "labelmap", "sc-axial", "sc-coronal", "sc-rotating", "seg", *REPORTS)
"""DICOM objects of an exam with nodules."""


def file_names(kinds: Sequence[str], generation: int = 1) -> list[str]:
    """Under which names a folder destination keeps objects."""
    return sorted(f"{kind}-{generation}.dcm" for kind in kinds)


def need(*programs: str) -> None:
    """Skip, naming the program that is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def until(what, ask, within_s, alive):
    """Ask again and again until there is an answer; fail when the process ends or time is up."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if alive.poll() is not None:
            pytest.fail(f"{what}: the process ended with {alive.returncode}")
        with contextlib.suppress(OSError, urllib.error.URLError):
            if (answer := ask()) is not None:
                return answer
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {within_s} s")


def http(url: str, data: bytes | None = None) -> bytes:
    """GET, or POST where there is data."""
    with urllib.request.urlopen(url, data=data, timeout=20) as answer:
        return bytes(answer.read())


def alone_on_loopback() -> bool:
    """Whether this process has a network of its own, where a server on all interfaces is loopback only."""
    return {name for _, name in socket.if_nameindex()} == {"lo"}


class Orthanc:
    """A real PACS on an empty folder. It binds every interface, so it runs only where loopback is all."""

    def __init__(self, folder: Path, **more: object) -> None:
        """Start one; `more` settings beside those of `_settings`, or in their place."""
        need("Orthanc")
        if not alone_on_loopback():
            pytest.skip("Orthanc binds every interface: it needs a network namespace of its own (make test)")
        self.dicom_port, self.http_port = free_port(), free_port()
        self._folder = folder
        folder.mkdir(parents=True)
        self._config().write_text(json.dumps({**self._settings(), **more}))
        self.process = self.start()

    def _config(self) -> Path:
        return self._folder / "orthanc.json"

    def _settings(self) -> Mapping[str, object]:
        return {
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "StorageDirectory": str(self._folder / "db"),
            "IndexDirectory": str(self._folder / "db"),
            "DicomAlwaysAllowStore": True,
            "Plugins": [],
        }

    def start(self) -> subprocess.Popen[bytes]:
        """Start and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["Orthanc", str(self._config())], stdout=log, stderr=log)
        until("Orthanc starts", lambda: self.get("system"), 60, self.process)
        return self.process

    def get(self, path: str) -> object:
        """A REST answer."""
        return json.loads(http(f"http://127.0.0.1:{self.http_port}/{path}"))

    def put(self, path: str, body: bytes) -> None:
        """Put something at an address of its REST interface."""
        url = f"http://127.0.0.1:{self.http_port}/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=20):
            pass

    def post(self, path: str, body: bytes) -> object:
        """A REST answer to what is posted."""
        return json.loads(http(f"http://127.0.0.1:{self.http_port}/{path}", body))

    def instances(self, modality: str) -> list[bytes]:
        """Every stored object of a modality."""
        query = {"Level": "Instance", "Query": {"Modality": modality}}
        url = f"http://127.0.0.1:{self.http_port}"
        found = json.loads(http(f"{url}/tools/find", json.dumps(query).encode()))
        return [http(f"{url}/instances/{identifier}/file") for identifier in found]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


class Dcmqrscp:
    """DCMTK's archive, with the files of a folder in it. It binds every interface, as Orthanc does."""

    def __init__(self, folder: Path, files: Sequence[Path], move_to: tuple[str, int]) -> None:
        need("dcmqrscp", "dcmqridx")
        if not alone_on_loopback():
            pytest.skip("dcmqrscp binds every interface: it needs a network namespace of its own (make test)")
        database = folder / "database"
        database.mkdir(parents=True)
        kept = [shutil.copy(path, database) for path in files]
        subprocess.run(["dcmqridx", str(database), *map(str, kept)], check=True, timeout=60)
        self.dicom_port = free_port()
        config = folder / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {self.dicom_port}\nMaxPDUSize = 65536\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nus = ({move_to[0]}, 127.0.0.1, {move_to[1]})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nDCMQRSCP {database} RW (200, 1024mb) ANY\nAETable END\n"
        )
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["dcmqrscp", "-c", str(config)], stdout=log, stderr=log)
        until("dcmqrscp listens", self._connect, 60, self.process)

    def _connect(self) -> bool:
        socket.create_connection(("127.0.0.1", self.dicom_port), timeout=5).close()
        return True

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


def _toml(value: object) -> str:
    """A setting's value; a section is an inline table."""
    match value:
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{name} = {_toml(one)}' for name, one in value.items())} }}"
    return json.dumps(value)


class Millet:
    """`millet serve` as its own process, on a folder and free ports."""

    environment: Mapping[str, str] = MappingProxyType({})
    """Variables beside those of this process."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.dicom_port, self.grpc_port, self.web_port = free_port(), free_port(), free_port()
        self.health_port = settings.get("metrics_port", self.web_port)
        folder.mkdir(parents=True)
        self.folder, self.log = folder, folder / "log.jsonl"
        self._settings = {
            "state_dir": str(folder / "state"),
            "dicom_port": self.dicom_port,
            "grpc_port": self.grpc_port,
            "web_port": self.web_port,
            "settle_s": 0.5,
            "retry_first_s": 0.5,
        }
        self.configure(settings)
        self.start()

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write the file of settings for the next start; those that were given before stay."""
        self._settings |= settings
        lines = [f"{name} = {_toml(value)}\n" for name, value in self._settings.items()]
        (self.folder / "millet.toml").write_text("".join(lines))

    def start(self) -> None:
        """Start and wait until it is ready."""
        command = [sys.executable, "-m", "millet", "serve", "--config", str(self.folder / "millet.toml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.variables)
        until("Millet is ready", lambda: self.health("readyz"), 90, self.process)

    @property
    def variables(self) -> Mapping[str, str]:
        """Everything in the environment of its process."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MILLET_")}
        return kept | dict(self.environment)

    def health(self, probe: str) -> str:
        """What one of its probes says. Raises URLError where it is ill."""
        return http(f"http://127.0.0.1:{self.health_port}/{probe}").decode()

    def page(self, path: str) -> str:
        """A page of its web server."""
        return http(f"http://127.0.0.1:{self.web_port}/{path}").decode()

    def series(self) -> list[pb.SeriesStatus]:
        """Its worklist, over gRPC."""
        found, request = [], pb.ListAnalysesRequest(page_size=1000)
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            while True:
                page = AnalysisServiceStub(channel).ListAnalyses(request, timeout=20)
                found += page.series
                request.page_token = page.next_page_token
                if not page.next_page_token:
                    return found

    def analysis(self, status: pb.SeriesStatus) -> pb.Analysis:
        """The newest analysis of a series, over gRPC."""
        request = pb.GetAnalysisRequest(site=status.site, series_uid=status.series_uid)
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            return AnalysisServiceStub(channel).GetAnalysis(request, timeout=20).analysis

    def ended(self, series_uid: str, within_s: float = 400) -> pb.SeriesStatus:
        """A series' line of the worklist once it ended and its reports are delivered."""

        def look() -> pb.SeriesStatus | None:
            found = [s for s in self.series() if s.series_uid == series_uid]
            done = [s for s in found if s.state in ENDED and not s.deliveries_pending]
            return done[0] if done else None

        status: pb.SeriesStatus = until(f"{series_uid} ends", look, within_s, self.process)
        return status

    def in_state(self, state: str) -> None:
        """Wait until a series is in a state."""
        until(state, lambda: [s for s in self.series() if s.state == state] or None, 120, self.process)

    def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self.process.kill()
        self.process.wait(20)


class Prometheus:
    """A real Prometheus that looks at a process every second, with rules of its own."""

    def __init__(self, folder: Path, target: int, rules: str) -> None:
        need("prometheus")
        folder.mkdir(parents=True)
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
            f'scrape_configs: [{{job_name: millet, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}]\n'
        )
        self.port = free_port()
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until("Prometheus is ready", lambda: http(f"{self._url}/-/ready"), 60, self.process)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, expression: str) -> list[dict[str, object]]:
        """What an expression is now; a wrong one ends the test."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = json.loads(http(f"{self._url}/api/v1/query?{asked}"))
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = json.loads(http(f"{self._url}/api/v1/alerts"))["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def until_firing(self, name: str, within_s: float) -> None:
        """Wait for an alert."""
        until(f"{name} fires", lambda: name in self.firing() or None, within_s, self.process)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


def storescu(folder: Path, port: int, *options: str) -> None:
    """Send a folder as a scanner would, with DCMTK."""
    need("storescu")
    files = [str(path) for path in sorted(folder.glob("*.dcm"))]
    command = ["storescu", "-aec", "MILLET", *options, "127.0.0.1", str(port), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
