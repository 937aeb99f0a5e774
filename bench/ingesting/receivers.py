"""The receivers that are compared: each as its own process on an empty folder, started, asked, ended.

All but the ones called default have Nagle's algorithm switched off, which DCMTK leaves on: with it, each
small packet waits for a delayed acknowledgement, and one would compare 40 ms with 40 ms. All take PDUs as
long as their settings allow (128 KB), so that none is slow for what it reads being cut small.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from dimse.association import Association
from table import ROOT

from ingesting import kept

sys.path.extend([str(ROOT / "tests" / part) for part in ("", "service")])
from peers import alone_on_loopback, free_port, http

EXPLICIT = "1.2.840.10008.1.2.1"
LONGEST_PDU = "131072"
STARTS_WITHIN_S = 90.0
ENDS_WITHIN_S = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OURS = "Millet"
NO_NAGLE = {"TCP_NODELAY": "1"}
"""What DCMTK, and Orthanc through it, reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """An empty folder and a free port for a receiver."""

    folder: Path
    port: int
    other_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a receiver is run."""

    command: Callable[[Where], Sequence[str]]
    program: str = ""
    """What must be installed; empty for what comes with our own environment."""
    everywhere: bool = False
    """It binds every interface, so it runs only where loopback is all there is."""
    environment: Mapping[str, str] = field(default_factory=dict)
    holds: Callable[[Where], Collection[str]] = lambda where: kept.files(where.folder / "kept")
    """The SOP Instance UIDs that it has kept."""


def _millet(where: Where) -> Sequence[str]:
    """The role that receives, with a journal and all, on its defaults."""
    settings = {"state_dir": str(where.folder / "state"), "dicom_port": where.port, "roles": ["receive"]}
    config = where.folder / "millet.toml"
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    return [sys.executable, "-m", "millet", "serve", "--config", str(config)]


def _storescp(*options: str) -> Callable[[Where], Sequence[str]]:
    return lambda where: ["storescp", "-q", *options, "-od", str(where.folder / "kept"), str(where.port)]


def _pynetdicom(where: Where) -> Sequence[str]:
    own = [sys.executable, "-m", "pynetdicom", "storescp", "-q", "--max-pdu", LONGEST_PDU]
    return [*own, "-ba", "127.0.0.1", "-od", str(where.folder / "kept"), str(where.port)]


def _orthanc(where: Where) -> Sequence[str]:
    """With its defaults of what is durable: the files are (SyncStorageArea), its index is not quite."""
    settings = {
        "HttpPort": where.other_port,
        "DicomPort": where.port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(where.folder / "kept"),
        "IndexDirectory": str(where.folder / "kept"),
        "DicomAlwaysAllowStore": True,
        "SyncStorageArea": True,
        "MaximumPduLength": int(LONGEST_PDU),
        "Plugins": [],
    }
    config = where.folder / "orthanc.json"
    config.write_text(json.dumps(settings))
    return ["Orthanc", str(config)]


def _orthancs(where: Where) -> Collection[str]:
    query = {"Level": "Instance", "Expand": True, "Query": {"SOPInstanceUID": ""}}
    found = http(f"http://127.0.0.1:{where.other_port}/tools/find", json.dumps(query).encode())
    return {one["MainDicomTags"]["SOPInstanceUID"] for one in json.loads(found)}


KINDS: Mapping[str, Kind] = {
    OURS: Kind(command=_millet, holds=lambda where: kept.rows(where.folder / "state")),
    "DCMTK storescp --fork": Kind(
        command=_storescp("+xa", "--fork", "-pdu", LONGEST_PDU),
        program="storescp",
        everywhere=True,
        environment=NO_NAGLE,
    ),
    "default storescp": Kind(command=_storescp(), program="storescp", everywhere=True),
    "pynetdicom storescp": Kind(command=_pynetdicom),
    "Orthanc": Kind(
        command=_orthanc, program="Orthanc", everywhere=True, environment=NO_NAGLE, holds=_orthancs
    ),
}


def missing(name: str) -> str:
    """Why a receiver cannot be run here; empty when it can."""
    kind = KINDS[name]
    if kind.program and which(kind.program) is None:
        return f"{kind.program} is not installed"
    if kind.everywhere and not alone_on_loopback():
        return f"{kind.program} binds every interface: it needs a network of its own (make bench-ingest)"
    return ""


class Receiver:
    """One of KINDS, running on an empty folder."""

    def __init__(self, name: str, folder: Path) -> None:
        kind = KINDS[name]
        self.where = Where(folder=folder, port=free_port(), other_port=free_port())
        self._holds = kind.holds
        (folder / "kept").mkdir(parents=True)
        ours = {k: v for k, v in os.environ.items() if not k.startswith("MILLET_") and k != "TCP_NODELAY"}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                kind.command(self.where), stdout=log, stderr=log, env={**ours, **kind.environment}
            )
        try:
            self._ready()
        except BaseException:
            self.stop()
            raise

    def held(self) -> Collection[str]:
        """The SOP Instance UIDs that it has kept, as far as it tells."""
        return self._holds(self.where)

    def cpu_s(self) -> float:
        """Processor time until now, of its children that have ended too."""
        fields = self._read("stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS_PER_S

    def peak_mb(self) -> float:
        """The most memory that its process ever held, without children."""
        return int(re.findall(r"VmHWM:\s+(\d+)", self._read("status"))[0]) * 1024 / 1e6

    def has_torch(self) -> bool:
        """Whether PyTorch is in its memory."""
        return "libtorch" in self._read("maps")

    def stop(self) -> None:
        """End it, by its process id."""
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def _ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                with Association(self.where.port, EXPLICIT):
                    return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.where.folder / "log").read_text(errors="replace")[-500:]
                    raise RuntimeError(f"a receiver did not start: {error}\n{log}") from error
            time.sleep(0.05)
