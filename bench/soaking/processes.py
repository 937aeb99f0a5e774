"""The processes of a soak: database, service, and the PACS for the reports. Each dies with this one."""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa
from table import ROOT

sys.path.append(str(ROOT / "tests"))
from ports import free_port

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/15/bin"))
READY_WITHIN_S = 180.0
END_WITHIN_S = 60.0
PR_SET_PDEATHSIG = 1
PARTS = {"receiver": ["receive"], "analyser": ["analyse"], "deliverer": ["deliver"], "api": ["api"]}
"""The roles of each process of a service on PostgreSQL."""
WHOLE = {"service": ["receive", "analyse", "deliver", "api"]}
"""The one process on SQLite."""
_C = ctypes.CDLL(None)


class Server:
    """A process that runs until it is told to end."""

    def __init__(
        self, command: Sequence[str], log: Path, *, ends_by: signal.Signals = signal.SIGTERM, user: str = ""
    ) -> None:
        self._ends_by = ends_by
        who: dict[str, object] = {"user": user, "group": user, "extra_groups": []} if user else {}
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                stdout=file,
                stderr=file,
                cwd=log.parent,
                preexec_fn=self._end_with_parent,  # noqa: PLW1509 - no thread runs yet
                **who,
            )

    def _end_with_parent(self) -> None:
        """Have the kernel tell this process to end when its parent ends."""
        _C.prctl(PR_SET_PDEATHSIG, self._ends_by)

    @property
    def pid(self) -> int:
        """Of the process; its children are its own."""
        return int(self.process.pid)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def end(self) -> None:
        """Tell it to end, and wait; then end it."""
        self.process.send_signal(self._ends_by)
        try:
            self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_gone(folder: Path, pids: Sequence[int]) -> None:
    """Wait until the processes of an earlier life on a folder have ended. Raises RuntimeError in the end."""
    deadline = time.monotonic() + READY_WITHIN_S
    while there := [pid for pid in pids if _is_of(folder, pid)]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{folder} is in use by the processes {there}")
        time.sleep(0.5)


def _is_of(folder: Path, pid: int) -> bool:
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def page(port: int, path: str, timeout_s: float = 30.0) -> str:
    """What a server on loopback answers. Raises OSError."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=timeout_s) as answer:
        return str(answer.read().decode())


class Postgres:
    """A PostgreSQL with its defaults, on a folder that stays."""

    def __init__(self, folder: Path) -> None:
        user = "postgres" if os.getuid() == 0 else ""
        data, port = folder / "data", free_port()
        if not data.exists():
            folder.mkdir(parents=True, exist_ok=True)
            if user:
                os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
            command = [str(POSTGRES / "initdb"), "-D", str(data), "-U", "millet", "-A", "trust", "-E", "UTF8"]
            who: dict[str, object] = {"user": user, "group": user, "extra_groups": []} if user else {}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        told = ["-p", str(port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
        command = [str(POSTGRES / "postgres"), "-D", str(data), *told]
        self.server = Server(command, folder / "log", ends_by=signal.SIGINT, user=user)
        self.url = f"postgresql+psycopg://millet@127.0.0.1:{port}/millet"
        self._create(f"postgresql+psycopg://millet@127.0.0.1:{port}/postgres")

    def _create(self, url: str) -> None:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                with engine.connect() as connection:
                    found = connection.execute(sa.text("SELECT 1 FROM pg_database WHERE datname = 'millet'"))
                    if found.first() is None:
                        connection.execute(sa.text("CREATE DATABASE millet"))
                    return
            except sa.exc.OperationalError:
                if time.monotonic() > deadline or not self.server.alive:
                    raise
                time.sleep(0.2)


def named(path: Path) -> str:
    """The SOP Instance UID of a file of storescp, which names it MODALITY.UID."""
    return path.name.partition(".")[2]


class Pacs:
    """DCMTK's receiver, which keeps what it is sent as files; whoever looks may take them away."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("storescp") is None:
            raise RuntimeError("storescp (DCMTK) is not installed")
        self.inbox, self.port = folder / "inbox", free_port()
        self.inbox.mkdir(parents=True, exist_ok=True)
        told = ["-aet", "PACS", "+xa", "-pm", "-od", str(self.inbox), str(self.port)]
        self.server = Server(["storescp", *told], folder / "log")

    def taken(self, older_s: float = 2.0) -> list[tuple[str, float]]:
        """SOP Instance UID and arrival of each object since the last look; what is told is removed."""
        found = []
        for path in self.inbox.iterdir():
            if (at_s := path.stat().st_mtime) < time.time() - older_s:
                found.append((named(path), at_s))
                path.unlink()
        return sorted(found, key=lambda one: one[1])


class Service:
    """Processes of the service on one journal, each with a port of metrics."""

    def __init__(self, folder: Path, settings: Mapping[str, object], parts: Mapping[str, list[str]]) -> None:
        self.dicom_port, self.grpc_port, self.web_port = free_port(), free_port(), free_port()
        common = {
            "state_dir": str(folder / "state"),
            "dicom_port": self.dicom_port,
            "grpc_port": self.grpc_port,
            "web_port": self.web_port,
            **settings,
        }
        self.servers: dict[str, Server] = {}
        self.metrics_ports: dict[str, int] = {}
        for slot, (name, roles) in enumerate(parts.items()):
            self.metrics_ports[name] = free_port()
            own = {"roles": roles, "slot": slot, "metrics_port": self.metrics_ports[name]}
            config = folder / f"{name}.toml"
            config.write_text(
                "".join(f"{key} = {json.dumps(value)}\n" for key, value in (common | own).items())
            )
            command = [sys.executable, "-m", "millet", "serve", "--config", str(config)]
            self.servers[name] = Server(command, folder / f"{name}.log")
            self._ready(name)

    def _ready(self, name: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                page(self.metrics_ports[name], "readyz")
            except (OSError, urllib.error.URLError):
                if time.monotonic() > deadline or not self.servers[name].alive:
                    raise RuntimeError(f"the {name} did not become ready") from None
                time.sleep(0.5)
            else:
                return
