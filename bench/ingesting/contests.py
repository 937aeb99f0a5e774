"""Who is compared with whom, and how figures of several rounds become rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from table import Row

from ingesting.receivers import OURS
from ingesting.runs import Measured, Run

EACH = {1: 800, 4: 300, 8: 150, 64: 25}
"""Instances of each association, by how many there are: seconds of work, some hundred megabytes."""
MEMORY_MB = 150
FAIRNESS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Our rate against another one's, both measured in the same round."""

    name: str
    ours: Run
    theirs: Run
    target: float | None = None
    stretch: float | None = None


def _against(receiver: str, associations: int, *goals: float, data: str = "raw") -> Contest:
    ours, theirs = (
        Run(receiver=one, associations=associations, each=EACH[associations], data=data)
        for one in (OURS, receiver)
    )
    target, stretch = (*goals, None, None)[:2]
    plural = "s" if associations > 1 else ""
    what = "" if data == "raw" else ", JPEG-LS"
    return Contest(
        name=f"against {receiver}, {associations} association{plural}{what}",
        ours=ours,
        theirs=theirs,
        target=target,
        stretch=stretch,
    )


DCMTK, PYNETDICOM, ORTHANC = "DCMTK storescp --fork", "pynetdicom storescp", "Orthanc"
CONTESTS: Mapping[str, Sequence[Contest]] = {
    "dcmtk": [_against(DCMTK, associations, 0.7, 1.0) for associations in (1, 4, 8)],
    "pynetdicom": [_against(PYNETDICOM, 1, 7, 12), _against(PYNETDICOM, 4)],
    "orthanc": [_against(ORTHANC, 1, 3, 5), _against(ORTHANC, 4, 4, 5), _against(ORTHANC, 8, 4, 5)],
    "jpegls": [_against(DCMTK, 1, data="jpegls"), _against(ORTHANC, 1, data="jpegls")],
    "default": [
        Contest(
            name="default storescu into us, against into default storescp",
            ours=Run(receiver=OURS, each=0),
            theirs=Run(receiver="default storescp", each=0),
            target=20,
            stretch=40,
        )
    ],
}
MANY = Run(receiver=OURS, associations=64, each=EACH[64])
PARTS = (*CONTESTS, "many")
Rounds = Sequence[Mapping[Run, Measured]]
"""What was measured, round by round; what could not be measured here is not in it."""


def runs_of(parts: Sequence[str]) -> Sequence[Run]:
    """What must be measured in each round, each once however many contests it is in."""
    contests = [one for part in parts for one in CONTESTS.get(part, ())]
    runs = [run for one in contests for run in (one.theirs, one.ours)]
    return list(dict.fromkeys([*runs, *([MANY] if "many" in parts else [])]))


def rows_of(parts: Sequence[str], rounds: Rounds, missing: Mapping[str, str]) -> Iterator[Row]:
    """Ratios first, then what they were made of.

    `missing` says of receivers that cannot be run here why not.
    """
    for part in parts:
        for contest in CONTESTS.get(part, ()):
            yield ratio_row(contest, rounds, missing.get(contest.theirs.receiver, ""))
    if "many" in parts:
        yield from many_rows([one[MANY] for one in rounds])
    for run in runs_of(parts):
        if run.receiver not in missing:
            yield rate_row(run, [one[run] for one in rounds])


def ratio_row(contest: Contest, rounds: Rounds, missing: str = "") -> Row:
    """The median of the rounds' ratios; rates of one round met the same state of the machine."""
    goals = {"target": contest.target, "stretch": contest.stretch, "higher_is_better": True}
    if missing:
        return Row(name=contest.name, unit="x", note=f"not measured: {missing}", **goals)
    ours = [one[contest.ours].rate_per_s for one in rounds]
    theirs = [one[contest.theirs].rate_per_s for one in rounds]
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    note = f"{statistics.median(ours):.0f} against {statistics.median(theirs):.0f} instances a second"
    return Row(name=contest.name, unit="x", note=note, **_spread(ratios), **goals)


def rate_row(run: Run, measured: Sequence[Measured]) -> Row:
    """What one receiver does, with what it costs."""
    notes = [f"{_median(measured, 'cpu_ms'):.2f} ms CPU an instance"]
    if latencies := [one.latencies_ms for one in measured if one.latencies_ms]:
        p50, p99 = (statistics.median(values) for values in zip(*latencies, strict=True))
        notes += [f"p50 {p50:.2f}, p99 {p99:.2f} ms", f"sender {_median(measured, 'sender_ms'):.2f} ms CPU"]
    notes.append(f"peak {_median(measured, 'peak_mb'):.0f} MB")
    if run.receiver == OURS:
        notes.append(f"all indexed within {max(one.lag_s for one in measured):.2f} s of the last response")
    plural = "s" if run.associations > 1 else ""
    sender = f"{run.associations} association{plural}" if run.each else "default storescu"
    rates = _spread([one.rate_per_s for one in measured])
    name = f"{run.receiver}: {sender}, {run.data}"
    return Row(name=name, unit="1/s", note="; ".join(notes), higher_is_better=True, **rates)


def many_rows(measured: Sequence[Measured]) -> list[Row]:
    """Memory, what must not be in it, and whether all are served alike, with 64 associations at once."""
    torch = float(any(one.has_torch for one in measured))
    return [
        Row(
            name="64 associations: peak memory of the receiver's process",
            unit="MB",
            target=MEMORY_MB,
            strict=True,
            **_spread([one.peak_mb for one in measured]),
        ),
        Row(
            name="64 associations: PyTorch in the receiver's process",
            unit="",
            value=torch,
            n=len(measured),
            target=0,
        ),
        Row(
            name="64 associations: slowest against median",
            unit="x",
            target=FAIRNESS,
            **_spread([one.slowest_to_median for one in measured]),
        ),
    ]


def _spread(values: Sequence[float]) -> dict[str, float | int]:
    return {"value": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def _median(measured: Sequence[Measured], name: str) -> float:
    return statistics.median(getattr(one, name) for one in measured)
