"""One seed from its plan to its judgement: the storm, the settling, the last power cut, the ledger."""

from __future__ import annotations

import heapq
import itertools
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.books import ENDED, Books
from faults.disk import Disk
from faults.ledger import Evidence, Violation, judge
from faults.modality import Modality, Record
from faults.nursery import Nursery
from faults.plan import STORM_S, Fault, Plan
from faults.world import World

SETTLE_S = 90.0
"""In which everything has to come to its end once the world is well again."""
LOOK_EVERY_S = 0.3
LEAP_EVERY_S = 3.0
LEAP_S = 1900.0
"""Time is let pass while reports wait to be tried again."""
LET_FLY_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What seeds are played on."""

    nursery: Nursery
    folder: Path
    """In memory, for what is thrown away."""
    kept: Path
    """Where the logs of a seed with violations are kept."""
    disks: bool
    clusters: Path | None
    mutations: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a seed."""

    seed: int
    topology: str
    database: str
    destination: str
    faults: Sequence[str]
    acked: int
    responses: int
    statuses: Mapping[str, int]
    series: int
    outcomes: int
    reports: int
    lives: int
    power_cuts: int
    deaths: Mapping[str, int]
    took_s: float
    violations: Sequence[Violation] = field(default_factory=tuple)


def play(plan: Plan, ground: Ground) -> Outcome:
    """Play a seed and judge it."""
    began_s = time.monotonic()
    folder = ground.folder / f"seed-{plan.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world = World(
        plan,
        folder,
        ground.nursery,
        disks=ground.disks,
        clusters=ground.clusters,
        mutations=ground.mutations,
    )
    whole = False
    try:
        outcome = _Storm(plan, world).outcome(began_s)
        whole = not outcome.violations
    finally:
        if not whole:
            _keep(folder, ground.kept / f"seed-{plan.seed}")
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


class _Storm:
    def __init__(self, plan: Plan, world: World) -> None:
        self._plan, self._world = plan, world
        self._record = Record()
        chance = random.Random(plan.seed + 2)
        ports = world.dicom_ports
        self._modalities = [
            Modality(
                batch.slices,
                batch.manner,
                ports[number % len(ports) :] + ports[: number % len(ports)],
                self._record,
                random.Random(chance.random()),
            )
            for number, batch in enumerate(plan.batches)
        ]
        self._violations: list[Violation] = []

    def outcome(self, began_s: float) -> Outcome:
        self._world.wait_until_it_listens()
        for modality in self._modalities:
            modality.start()
        self._rage()
        self._heal()
        self._settle()
        books = self._judge()
        world, record = self._world, self._record
        deaths = [death for process in world.processes.values() for death in process.deaths]
        return Outcome(
            seed=self._plan.seed,
            topology=self._plan.setting.topology,
            database=self._plan.setting.database,
            destination=self._plan.setting.destination,
            faults=[str(fault) for fault in self._plan.faults],
            acked=len(record.acked),
            responses=record.responses,
            statuses=dict(sorted(record.statuses.items())),
            series=len({one.series_uid for one in record.acked}),
            outcomes=len(books.analyses),
            reports=len(books.reports),
            lives=sum(process.lives for process in world.processes.values()),
            power_cuts=world.power_cuts,
            deaths={str(status): deaths.count(status) for status in sorted(set(deaths))},
            took_s=round(time.monotonic() - began_s, 1),
            violations=self._violations,
        )

    def _rage(self) -> None:
        """Let each fault begin and end at its time."""
        began_s, number = time.monotonic(), itertools.count()
        due: list[tuple[float, int, Callable[[], None]]] = []
        for fault in self._plan.faults:
            begin, end = ACTS[fault.kind]
            heapq.heappush(due, (fault.at_s, next(number), lambda f=fault, act=begin: act(self._world, f)))
            if fault.for_s:
                end_s = min(fault.at_s + fault.for_s, STORM_S + 1.0)
                heapq.heappush(due, (end_s, next(number), lambda f=fault, act=end: act(self._world, f)))
        while due or time.monotonic() - began_s < STORM_S:
            while due and due[0][0] <= time.monotonic() - began_s:
                heapq.heappop(due)[2]()
            self._world.tend()
            time.sleep(LET_FLY_S)

    def _heal(self) -> None:
        """Everything is well again, but for deaths that are still to come, and for who has gone for good."""
        world = self._world
        for wire in world.wires.values():
            wire.heal()
        world.pacs.manner = "good"
        world.disk.drain()
        if world.cluster is not None and not world.cluster.alive:
            world.cluster.start()
        for process in world.processes.values():
            world.set_clock(process, 0.0)
            if process.child is not None:
                process.child.signal(signal.SIGCONT)

    def _settle(self) -> None:
        """Wait until senders are done and every series has ended; say what did not."""
        deadline_s = time.monotonic() + SETTLE_S
        next_leap_s, calm = 0.0, 0
        while calm < 2:
            self._world.tend()
            open_now = self._open()
            calm = 0 if open_now else calm + 1
            now_s = time.monotonic()
            if now_s > deadline_s:
                self._violations.append(Violation("unsettled", "; ".join(sorted(set(open_now)))))
                break
            if open_now and now_s > next_leap_s and all("report" in one for one in open_now):
                self._world.pass_time(LEAP_S)
                next_leap_s = now_s + LEAP_EVERY_S
            time.sleep(LOOK_EVERY_S)
        for modality in self._modalities:
            modality.give_up()
        for modality in self._modalities:
            modality.join(20)

    def _open(self) -> list[str]:
        """What is still to be waited for."""
        left = [f"{m.left} instances to send" for m in self._modalities if m.is_alive() and m.left]
        if left:
            return left
        held = self._world.books()
        if held is None:
            return ["the journal cannot be read"]
        there = {line.sop_instance_uid for line in held.instances}
        missing = {one.sop_instance_uid for one in self._record.acked} - there
        open_states = [f"a series is {line.state}" for line in held.series if line.state not in ENDED]
        waiting = [f"a report is {line.state}" for line in held.reports if line.state not in {"done", "dead"}]
        return ([f"{len(missing)} instances without a row"] if missing else []) + open_states + waiting

    def _judge(self) -> Books:
        """Cut the power once more, now that nothing is at work, and hold what is left against the ledger."""
        world = self._world
        if isinstance(world.disk, Disk):
            world.cut_power()
            if world.cluster is not None:
                world.cluster.wait()
        world.kill_all()
        failures = [m.failure for m in self._modalities if m.failure is not None]
        self._violations += [Violation("harness", repr(failure)) for failure in failures]
        held = world.books()
        if held is None:
            self._violations.append(Violation("lost", "the journal cannot be read"))
            return Books()
        stored, made = world.digests(held)
        self._violations += judge(
            Evidence(acked=self._record.acked, books=held, stored=stored, made=made, kept=world.delivered())
        )
        return held


def _keep(folder: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in folder.iterdir():
        if path.suffix in {".log", ".toml"}:
            shutil.copy(path, kept)


# how each kind of fault begins and ends


def _nothing(_world: World, _fault: Fault) -> None:
    """It was over at once."""


def _signal(number: signal.Signals) -> Callable[[World, Fault], None]:
    def act(world: World, fault: Fault) -> None:
        if (child := world.processes[fault.on].child) is not None:
            child.signal(number)

    return act


def _gone(world: World, fault: Fault) -> None:
    process = world.processes[fault.on]
    process.gone = True
    if process.child is not None:
        process.child.kill()


def _die(world: World, fault: Fault) -> None:
    world.die(world.processes[fault.on], fault.facts["point"], fault.facts["nth"], fault.facts["times"])


def _fill(world: World, fault: Fault) -> None:
    if isinstance(world.disk, Disk):
        world.disk.fill(fault.facts["left"])


def _clock(world: World, fault: Fault) -> None:
    world.set_clock(world.processes[fault.on], fault.facts["wall_s"])


def _away(world: World, fault: Fault) -> None:
    world.wires["pacs"].shut(shut=True)
    world.pass_time(fault.facts["hours"] * 1800.0)


def _back(world: World, fault: Fault) -> None:
    world.pass_time(fault.facts["hours"] * 1800.0)
    world.wires["pacs"].shut(shut=False)


def _manner(world: World, fault: Fault) -> None:
    world.pacs.manner = fault.facts["manner"]


def _stop_database(world: World, _fault: Fault) -> None:
    assert world.cluster is not None
    world.cluster.stop()
    world.cluster.start()


def _kill_database(world: World, _fault: Fault) -> None:
    assert world.cluster is not None
    world.cluster.kill()
    world.cluster.start()


Act = Callable[[World, Fault], None]
ACTS: Mapping[str, tuple[Act, Act]] = {
    "kill": (_signal(signal.SIGKILL), _nothing),
    "stop": (_signal(signal.SIGTERM), _nothing),
    "pause": (_signal(signal.SIGSTOP), _signal(signal.SIGCONT)),
    "gone": (_gone, _nothing),
    "die": (_die, _nothing),
    "full": (_fill, lambda world, _fault: world.disk.drain()),
    "power": (lambda world, _fault: world.cut_power(), _nothing),
    "clock": (_clock, lambda world, fault: world.set_clock(world.processes[fault.on], 0.0)),
    "cut": (
        lambda world, fault: world.wires[fault.on].cut_after(
            fault.facts["direction"], fault.facts["after_bytes"]
        ),
        _nothing,
    ),
    "stall": (
        lambda world, fault: world.wires[fault.on].stall(stalled=True),
        lambda world, fault: world.wires[fault.on].stall(stalled=False),
    ),
    "delay": (
        lambda world, fault: world.wires[fault.on].delay(fault.facts["each_s"]),
        lambda world, fault: world.wires[fault.on].delay(0.0),
    ),
    "away": (_away, _back),
    "manner": (_manner, lambda world, _fault: setattr(world.pacs, "manner", "good")),
    "database restart": (_stop_database, _nothing),
    "database kill": (_kill_database, _nothing),
}
