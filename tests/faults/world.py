"""Everything that a seed puts up: the processes of the service, their disk, their wires, their PACS."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import sqlalchemy as sa
from faults import books, cluster
from faults.control import Control
from faults.disk import Disk, Folder
from faults.ledger import LOST
from faults.nursery import Child, Nursery
from faults.pacs import Kept, Pacs, content_digest
from faults.plan import TOPOLOGIES, Plan, receivers
from faults.proxy import Proxy
from faults.scanner import dataset_of
from ports import free_port
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from millet.core.media import is_instance
from millet.errors import ServiceError

RESTART_S = (0.1, 1.2)
"""Between an end and the next start, as a supervisor has it."""
SPOOL_RESERVE_BYTES = 4_000_000
REPORTS = (".dcm", ".json", ".hl7")
"""Endings of what a folder destination is sent."""
SETTINGS: Mapping[str, object] = {
    "model": "log/1",
    "threads": 1,
    "settle_s": 0.4,
    "quiet_s": 2.0,
    "gap_wait_s": 3.0,
    "spool_reserve_bytes": SPOOL_RESERVE_BYTES,
    "retry_first_s": 0.4,
    "retry_longest_s": 1800.0,
    "emergency_peers": ["EMERGENCY"],
}


@dataclass
class Process:
    """One process of the service, through all its lives."""

    name: str
    roles: str
    slot: int
    folder: Path
    wall_s: float = 0.0
    lives: int = 0
    gone: bool = False
    """Never to come back."""
    child: Child | None = None
    start_at_s: float | None = None
    deaths: list[int] = field(default_factory=list)
    rearm: list[tuple[int, int]] = field(default_factory=list)
    """Deaths to come: (point, nth) for each of the next lives."""

    def __post_init__(self) -> None:
        self.control = Control(self.folder / f"{self.name}.page")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.child is not None and self.child.alive


class World:
    """Put up by its constructor, taken down by `close`."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        nursery: Nursery,
        *,
        disks: bool,
        clusters: Path | None = None,
        mutations: Sequence[str] = (),
    ) -> None:
        self.plan, self.folder = plan, folder
        self._nursery, self._mutations = nursery, mutations
        self._chance = random.Random(plan.seed + 1)
        self.disk = Disk(folder) if disks else Folder(folder)
        self.state = self.disk.root / "state"
        self.state.mkdir()
        self.passed_s = 0.0
        self.power_cuts = 0
        self.pacs = Pacs()
        self._dicom_ports = {name: free_port() for name in receivers(plan.setting.topology)}
        self.wires = {name: Proxy(port) for name, port in self._dicom_ports.items()}
        self.wires["pacs"] = Proxy(self.pacs.port)
        self.cluster: cluster.Cluster | None = None
        if plan.setting.database == "postgresql":
            assert clusters is not None
            log = folder / "postgresql.log"
            self.cluster = cluster.Cluster(clusters, self.disk.root / "pg", free_port(), log)
            self.wires["database"] = Proxy(int(self.cluster.url().rpartition(":")[2].split("/")[0]))
            self.cluster.wait()
        named = TOPOLOGIES[plan.setting.topology]
        self.processes = {
            name: Process(name=name, roles=roles, slot=slot, folder=folder)
            for slot, (name, roles) in enumerate(named.items())
        }
        self._write_settings()
        for process in self.processes.values():
            self.start(process)

    # processes

    def start(self, process: Process) -> None:
        """The next life of a process."""
        process.start_at_s = None
        process.lives += 1
        process.control.disarm()
        if process.rearm:
            process.control.arm(*process.rearm.pop(0))
        config = self.folder / f"{process.name}.toml"
        process.child = self._nursery.start(
            self.folder / f"{process.name}.page",
            self._mutations,
            ["serve", "--config", str(config), "--role", process.roles],
            self.folder / f"{process.name}.log",
        )

    def wait_until_it_listens(self, within_s: float = 60.0) -> None:
        """Until instances can be sent; a storm over a service that only starts would tell little."""
        deadline_s = time.monotonic() + within_s
        for port in self._dicom_ports.values():
            while not _listens(port):
                if time.monotonic() > deadline_s:
                    raise TimeoutError("the service does not come up")
                self.tend()
                time.sleep(0.02)

    def tend(self) -> None:
        """Start again what has ended, a moment later."""
        now_s = time.monotonic()
        for process in self.processes.values():
            if process.alive or process.gone:
                continue
            if process.start_at_s is None:
                process.deaths.append(process.child.status if process.child else 0)
                process.start_at_s = now_s + self._chance.uniform(*RESTART_S)
            elif now_s >= process.start_at_s:
                self.start(process)

    def die(self, process: Process, point: int, nth: int, times: int) -> None:
        """Have it die at a point, now and in its next lives."""
        process.rearm += [(point, nth)] * (times - process.alive)
        if process.alive:
            process.control.arm(point, nth)

    def set_clock(self, process: Process, wall_s: float) -> None:
        """Have the clock of its host be wrong by so much."""
        process.wall_s = wall_s
        process.control.set_clock(wall_s, self.passed_s)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody, in one leap."""
        self.passed_s += seconds
        for process in self.processes.values():
            process.control.set_clock(process.wall_s, self.passed_s)

    def kill_all(self) -> None:
        """SIGKILL to each process of the service."""
        living = [p.child for p in self.processes.values() if p.child is not None and p.child.alive]
        for child in living:
            child.signal(signal.SIGKILL)
        for child in living:
            child.kill()

    # disk

    def cut_power(self) -> None:
        """What was not flushed is lost; everything that ran on the machine is dead.

        Everybody is stopped before the disk is copied: no answer is given after the moment of the cut.
        """
        assert isinstance(self.disk, Disk)
        for process in self.processes.values():
            if process.alive and process.child is not None:
                process.child.signal(signal.SIGSTOP)
        if self.cluster is not None:
            self.cluster.pause()
        self.disk.snapshot()
        self.kill_all()
        if self.cluster is not None:
            self.cluster.kill()
        self.disk.restart()
        self.power_cuts += 1
        if self.cluster is not None:
            self.cluster.start()

    # what is there

    @property
    def dicom_ports(self) -> Sequence[int]:
        """Where senders connect to."""
        return [self.wires[name].port for name in self._dicom_ports]

    def database_url(self) -> str:
        """The journal, past every wire."""
        if self.cluster is not None:
            return self.cluster.url()
        return f"sqlite:///{self.state / 'journal.db'}"

    def books(self) -> books.Books | None:
        """The journal as it stands; None while it cannot be read."""
        if self.cluster is None and not (self.state / "journal.db").exists():
            return None
        try:
            return books.read(self.database_url())
        except sa.exc.SQLAlchemyError:
            return None

    def digests(self, held: books.Books) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """What instances and reports are when they are read back, by path."""
        return digests(self.state, held)

    def delivered(self) -> Sequence[Kept]:
        """What is at the destination."""
        if self.plan.setting.destination == "pacs":
            return self.pacs.kept
        files = (path for path in (self.state / "reports").rglob("*") if path.suffix in REPORTS)
        return [_kept(path) for path in sorted(files)]

    def close(self) -> None:
        """End everything."""
        self.kill_all()
        if self.cluster is not None:
            self.cluster.kill()
        for wire in self.wires.values():
            wire.close()
        self.pacs.close()
        self.disk.close()

    def _write_settings(self) -> None:
        peer = f"PACS@127.0.0.1:{self.wires['pacs'].port}"
        shared = dict(SETTINGS) | {
            "state_dir": str(self.state),
            "destination": peer if self.plan.setting.destination == "pacs" else "folder",
        }
        if self.cluster is not None:
            shared["journal_url"] = self.cluster.url(self.wires["database"].port)
        for process in self.processes.values():
            own = {
                "grpc_port": free_port(),
                "web_port": free_port(),
                "dicom_port": self._dicom_ports.get(process.name) or free_port(),
                "slot": process.slot,
            }
            lines = [f"{name} = {json.dumps(value)}\n" for name, value in (shared | own).items()]
            (self.folder / f"{process.name}.toml").write_text("".join(lines))


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def digests(state: Path, held: books.Books) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the instances and reports of a journal are when they are read back from a state, by path."""
    stores = books.Stores(state)
    instances = {line.path: _digest(stores.instance, line.path, _of_bytes) for line in held.instances}
    reports = {
        line.path: _digest(stores.report, line.path, _of_content if is_instance(line.kind) else _of_message)
        for line in held.reports
    }
    return instances, reports


def _digest(read: Callable[[str], bytes], path: str, digest: Callable[[bytes], str]) -> str:
    try:
        return digest(read(path))
    except (ServiceError, InvalidDicomError):
        return LOST


def _of_bytes(file: bytes) -> str:
    return hashlib.sha256(dataset_of(file)).hexdigest()


def _of_content(file: bytes) -> str:
    return content_digest(dcmread(BytesIO(file)))


def _of_message(file: bytes) -> str:
    """What a cut has left empty is lost."""
    return hashlib.sha256(file).hexdigest() if file.strip(b"\0") else LOST


def _kept(path: Path) -> Kept:
    file = path.read_bytes()
    if path.suffix != ".dcm":
        kind, _, generation = path.stem.rpartition("-")
        return Kept(books.message_name(path.parent.name, kind, generation), _of_message(file))
    try:
        return Kept(str(dcmread(BytesIO(file)).SOPInstanceUID), _of_content(file))
    except InvalidDicomError:
        return Kept(path.name, LOST)
