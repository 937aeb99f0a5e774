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
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


def need(*programs: str) -> None:
    """Skip, naming the program that is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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

    def __init__(self, folder: Path) -> None:
        need("Orthanc")
        if not alone_on_loopback():
            pytest.skip("Orthanc binds every interface: it needs a network namespace of its own (make test)")
        self.dicom_port, self.http_port = free_port(), free_port()
        self._folder = folder
        folder.mkdir(parents=True)
        self._config().write_text(json.dumps(self._settings()))
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
        log = (self._folder / "log").open("ab")
        self.process = subprocess.Popen(["Orthanc", str(self._config())], stdout=log, stderr=log)
        until("Orthanc starts", lambda: self.get("system"), 60, self.process)
        return self.process

    def get(self, path: str) -> object:
        """A REST answer."""
        return json.loads(http(f"http://127.0.0.1:{self.http_port}/{path}"))

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


@dataclass(kw_only=True)
class Millet:
    """`millet serve` as its own process, on a folder and free ports."""

    folder: Path
    destination: str = "folder"

    def __post_init__(self) -> None:
        self.dicom_port, self.grpc_port, self.web_port = free_port(), free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log.jsonl"
        (self.folder / "millet.toml").write_text(
            f'state_dir = "{self.folder / "state"}"\n'
            f"dicom_port = {self.dicom_port}\ngrpc_port = {self.grpc_port}\nweb_port = {self.web_port}\n"
            f'destination = "{self.destination}"\nsettle_s = 0.5\nretry_first_s = 0.5\n'
        )
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start and wait until it is ready."""
        command = [sys.executable, "-m", "millet", "serve", "--config", str(self.folder / "millet.toml")]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLET_")}
        log = self.log.open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until("Millet is ready", lambda: self.page("readyz"), 90, self.process)
        return self.process

    def page(self, path: str) -> str:
        """A page of its web server."""
        return http(f"http://127.0.0.1:{self.web_port}/{path}").decode()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self.process.kill()
        self.process.wait(20)

    def said(self, what: str) -> bool:
        """Whether a text stands in the log."""
        return what in self.log.read_text(errors="replace")


def storescu(folder: Path, port: int, *options: str) -> None:
    """Send a folder as a scanner would, with DCMTK."""
    need("storescu")
    command = ["storescu", "-aec", "MILLET", *options, "+sd", "+r", "127.0.0.1", str(port), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
