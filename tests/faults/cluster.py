"""A PostgreSQL of our own, on a loopback port, that can be restarted and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from faults.nursery import die_with_parent

BINARIES = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"


def to_be_had() -> bool:
    """Whether Debian's PostgreSQL 15 is installed."""
    return (BINARIES / "postgres").exists()


def template(folder: Path) -> Path:
    """An empty cluster to copy, made once: initdb takes a second."""
    if not (folder / "PG_VERSION").exists():
        folder.mkdir(parents=True)
        _own(folder)
        command = [str(BINARIES / "initdb"), "-D", str(folder), "-A", "trust", "-U", USER, "-E", "UTF8"]
        subprocess.run(command, check=True, capture_output=True, **_as_user(), cwd="/")
    return folder


class Cluster:
    """One server on a folder of its own, with flushes on."""

    def __init__(self, made_from: Path, folder: Path, port: int, log: Path) -> None:
        self._folder, self._port, self._log = folder, port, log
        subprocess.run(["cp", "-a", str(made_from), str(folder)], check=True)
        subprocess.run(["sync", "-f", str(folder)], check=True)  # as initdb does: what it made is durable
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, port: int | None = None) -> str:
        """The URL of its database, perhaps by way of another port."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{port or self._port}/postgres"

    def start(self) -> None:
        """Start, without waiting until it answers."""
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "max_connections": 100,
            "dynamic_shared_memory_type": "mmap",  # in its folder, so that nothing of it is left behind
            "log_min_messages": "fatal",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BINARIES / "postgres"), "-D", str(self._folder), *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of the kernel, no lock
                **_as_user(),
            )

    def wait(self, within_s: float = 30.0) -> None:
        """Until it answers."""
        deadline = time.monotonic() + within_s
        engine = sa.create_engine(self.url(), poolclass=sa.NullPool)
        while True:
            try:
                with engine.connect():
                    return
            except sa.exc.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """A restart's first half: connections are ended, everything is flushed."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL to the server and all its processes."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._wait_for_its_processes()

    def pause(self) -> None:
        """Stop all its processes for a moment, as a machine that is about to lose its power."""
        if self._process is not None and self.alive:
            os.killpg(self._process.pid, signal.SIGSTOP)

    def _wait_for_its_processes(self) -> None:
        """Its workers are in its session; none may write when the disk is mounted again."""
        assert self._process is not None
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            time.sleep(0.01)


def _as_user() -> dict[str, object]:
    """The server refuses to be run by root."""
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
