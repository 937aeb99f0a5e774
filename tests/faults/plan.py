"""A seed drawn out: which processes, which series sent how, and what goes wrong when."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults import cases
from faults.control import ANY, POINTS
from faults.modality import Manner
from faults.pacs import MANNERS
from faults.scanner import Slice

STORM_S = 5.0
"""While things go wrong; the wounds heal after it."""
TOPOLOGIES: Mapping[str, Mapping[str, str]] = {
    "one": {"all": "receive,analyse,deliver,api"},
    "apart": {"receive": "receive", "analyse": "analyse", "deliver": "deliver", "api": "api"},
    "two analysers": {
        "receive": "receive",
        "analyse": "analyse",
        "analyse-2": "analyse",
        "deliver": "deliver",
    },
    "two receivers": {
        "receive": "receive",
        "receive-2": "receive",
        "analyse": "analyse",
        "deliver": "deliver",
    },
}
"""Process -> its roles."""
SECOND = {"two analysers": "analyse-2", "two receivers": "receive-2"}
"""Who may go for good: another one does its work."""
ALWAYS = (*["die"] * 8, *["kill"] * 4, *["cut"] * 2, "pause", "stop", "clock", "stall", "delay")
"""Kinds of faults that can be had everywhere, as often as they are to come."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: str
    at_s: float
    for_s: float = 0.0
    """Until it is put right; 0 for what is over at once."""
    on: str = ""
    """Process, or wire."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [f"{self.at_s:.2f} s", self.kind, self.on, *(f"{k}={v}" for k, v in self.facts.items())]
        return " ".join(word for word in words if word) + (f" for {self.for_s:.2f} s" if self.for_s else "")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one sender sends, and how."""

    way: str
    slices: Sequence[Slice]
    manner: Manner


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a seed is played."""

    topology: str
    database: str
    """sqlite or postgresql."""
    destination: str
    """pacs or folder."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about a seed that is drawn."""

    seed: int
    setting: Setting
    batches: Sequence[Batch]
    faults: Sequence[Fault]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What this machine, and the product as it is, allow."""

    disks: bool
    postgresql: bool


def draw(seed: int, means: Means) -> Plan:
    """The plan of a seed; equal on every machine with the same means."""
    setting, faults = weather(seed, means)
    return Plan(seed=seed, setting=setting, batches=_batches(seed), faults=faults)


def weather(seed: int, means: Means) -> tuple[Setting, Sequence[Fault]]:
    """Where a seed is played, and what goes wrong: three to six faults at their moments."""
    chance = random.Random(seed)
    topology = chance.choice(tuple(TOPOLOGIES))
    database = "postgresql" if means.postgresql and topology != "one" else "sqlite"
    destination = chance.choice(("pacs", "pacs", "pacs", "folder"))
    setting = Setting(topology=topology, database=database, destination=destination)
    return setting, _faults(chance, setting, means)


def receivers(topology: str) -> list[str]:
    """The processes that receive; a wire of that name leads to each."""
    return [name for name, roles in TOPOLOGIES[topology].items() if "receive" in roles]


def _batches(seed: int) -> list[Batch]:
    """Two to four series, each sent in one of the ways in which series are sent."""
    chance = random.Random(f"{seed} series")
    made: list[Batch] = []
    waiting: list[Slice] = []
    for number in range(chance.choice((2, 3, 3, 4))):
        kind = "chest" if number == 0 else chance.choice(cases.KINDS)
        slices = cases.make(kind, f"{seed}-{number}", chance)
        way = chance.choice(tuple(WAYS))
        if way == "interleaved" and not waiting:
            waiting = slices
            continue
        made += [
            Batch(way=way, slices=part, manner=manner) for part, manner in WAYS[way](slices, waiting, chance)
        ]
        waiting = [] if way == "interleaved" else waiting
    return made + ([Batch(way="plain", slices=waiting, manner=_manner(chance))] if waiting else [])


Parts = list[tuple[list[Slice], Manner]]


def _manner(chance: random.Random, after_s: float | None = None) -> Manner:
    return Manner(
        after_s=chance.uniform(0, 2.5) if after_s is None else after_s,
        pause_s=chance.choice((0.0, 0.02, 0.05, 0.1)),
        per_association=chance.choice((1, 5, 17, 1000, 1000)),
        aborts=chance.choice((0.0, 0.0, 0.5)),
        calling_ae=chance.choice(("SCANNER", "SCANNER2", "EMERGENCY")),
    )


def _plain(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    return [(slices, _manner(chance))]


def _shuffled(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    return [(chance.sample(slices, len(slices)), _manner(chance))]


def _late(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    """The last slices come when the series was taken for complete, perhaps."""
    held, first = chance.randrange(1, 5), _manner(chance)
    return [
        (slices[:-held], first),
        (slices[-held:], _manner(chance, first.after_s + chance.uniform(2.0, 6.0))),
    ]


def _twice(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    first = _manner(chance)
    return [(slices, first), (slices, _manner(chance, first.after_s + chance.uniform(0.0, 5.0)))]


def _several(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    """Over several associations at once."""
    number = chance.choice((2, 3))
    return [(slices[part::number], _manner(chance)) for part in range(number)]


def _interleaved(slices: list[Slice], other: list[Slice], chance: random.Random) -> Parts:
    """Two series over the same associations, slice by slice."""
    mixed = [one for pair in zip(slices, other, strict=False) for one in pair]
    return [(mixed + slices[len(other) :] + other[len(slices) :], _manner(chance))]


def _colliding(slices: list[Slice], _other: list[Slice], chance: random.Random) -> Parts:
    """One UID comes a second time with other pixels: both are kept."""
    other, first = cases.changed(chance.choice(slices)), _manner(chance)
    return [(slices, first), ([other], _manner(chance, first.after_s + chance.uniform(0.0, 3.0)))]


WAYS: Mapping[str, Callable[[list[Slice], list[Slice], random.Random], Parts]] = {
    "plain": _plain,
    "shuffled": _shuffled,
    "late": _late,
    "twice": _twice,
    "several": _several,
    "interleaved": _interleaved,
    "colliding": _colliding,
}


def _faults(chance: random.Random, setting: Setting, means: Means) -> list[Fault]:
    processes = tuple(TOPOLOGIES[setting.topology])
    wires, kinds = receivers(setting.topology), list(ALWAYS)
    if means.disks:
        kinds += ["power", "power", "power", "full", "full"]
    if setting.destination == "pacs":
        wires.append("pacs")
        kinds += ["away", "away", "manner"]
    if setting.database == "postgresql":
        wires.append("database")
        kinds += ["database restart", "database kill"]
    drawn = [
        DRAWS[kind](chance, processes, wires)
        for kind in (chance.choice(kinds) for _ in range(chance.randrange(3, 7)))
    ]
    if setting.topology in SECOND and chance.random() < 0.5:
        drawn.append(Fault(kind="gone", at_s=chance.uniform(0.5, STORM_S), on=SECOND[setting.topology]))
    return sorted(drawn, key=lambda fault: fault.at_s)


Draw = Callable[[random.Random, Sequence[str], Sequence[str]], Fault]


def _at(chance: random.Random) -> float:
    return chance.uniform(0.2, STORM_S)


def _simple(kind: str) -> Draw:
    return lambda chance, _processes, _wires: Fault(kind=kind, at_s=_at(chance))


def _on_process(kind: str) -> Draw:
    return lambda chance, processes, _wires: Fault(kind=kind, at_s=_at(chance), on=chance.choice(processes))


def _die(chance: random.Random, processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    """At a named point, counted from a moment; perhaps again and again, at each start."""
    point = chance.choice((*range(len(POINTS)), ANY, ANY))
    nth = round(2 ** chance.uniform(0, 8 if point == ANY else 4))
    facts = {"point": point, "nth": nth, "times": chance.choice((1, 1, 2, 3))}
    return Fault(kind="die", at_s=chance.uniform(0, STORM_S), on=chance.choice(processes), facts=facts)


def _pause(chance: random.Random, processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    for_s = chance.uniform(0.2, 3.0)
    return Fault(kind="pause", at_s=_at(chance), for_s=for_s, on=chance.choice(processes))


def _full(chance: random.Random, _processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    left = chance.choice((0, 0, 4096, 100_000, 1_000_000, 6_000_000))
    return Fault(kind="full", at_s=_at(chance), for_s=chance.uniform(0.3, 2.5), facts={"left": left})


def _clock(chance: random.Random, processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    wall_s = chance.choice((-300.0, 300.0, -5.0, 5.0, 3600.0, -3600.0))
    for_s = chance.choice((0.5, 2.0, 100.0))
    facts = {"wall_s": wall_s}
    return Fault(kind="clock", at_s=_at(chance), for_s=for_s, on=chance.choice(processes), facts=facts)


def _cut(chance: random.Random, _processes: Sequence[str], wires: Sequence[str]) -> Fault:
    facts = {"direction": chance.choice((0, 0, 1)), "after_bytes": round(2 ** chance.uniform(0, 18))}
    return Fault(kind="cut", at_s=_at(chance), on=chance.choice(wires), facts=facts)


def _stall(chance: random.Random, _processes: Sequence[str], wires: Sequence[str]) -> Fault:
    return Fault(kind="stall", at_s=_at(chance), for_s=chance.uniform(0.3, 3.0), on=chance.choice(wires))


def _delay(chance: random.Random, _processes: Sequence[str], wires: Sequence[str]) -> Fault:
    facts = {"each_s": chance.choice((0.005, 0.05, 0.3))}
    on, for_s = chance.choice(wires), chance.uniform(0.3, 2.0)
    return Fault(kind="delay", at_s=_at(chance), for_s=for_s, on=on, facts=facts)


def _away(chance: random.Random, _processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    """The PACS is down for hours, which pass in seconds."""
    facts = {"hours": chance.randrange(1, 30)}
    return Fault(kind="away", at_s=_at(chance), for_s=chance.uniform(0.5, 3.0), facts=facts)


def _pacs_manner(chance: random.Random, _processes: Sequence[str], _wires: Sequence[str]) -> Fault:
    facts = {"manner": chance.choice(MANNERS)}
    return Fault(kind="manner", at_s=_at(chance), for_s=chance.uniform(0.5, 4.0), facts=facts)


DRAWS: Mapping[str, Draw] = {
    "kill": _on_process("kill"),
    "stop": _on_process("stop"),
    "die": _die,
    "pause": _pause,
    "full": _full,
    "power": _simple("power"),
    "clock": _clock,
    "cut": _cut,
    "stall": _stall,
    "delay": _delay,
    "away": _away,
    "manner": _pacs_manner,
    "database restart": _simple("database restart"),
    "database kill": _simple("database kill"),
}
