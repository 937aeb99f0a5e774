"""The rows that a soak writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from table import Row

from soaking import judging
from soaking.judging import Line, Report, Sample

AFTERWARDS = ("analyser", "deliverer", "api", "service", "pacs")
"""Whose work on a study begins when it has been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a soak knows when it is judged."""

    samples: Sequence[Sample]
    sent: Collection[Mapping[str, Any]]
    received: Mapping[str, float]
    """SOP Instance UID and arrival at the PACS of each object, in seconds since 1970."""
    lines: Collection[Line]
    reports: Collection[Report]
    objects: Mapping[str, tuple[int, int]]
    """How many objects of each kind were made, and their bytes."""
    settled_s: float
    """What was sent before this must have ended, in seconds since 1970."""


def rows(evidence: Evidence) -> list[Row]:
    """Everything that is told."""
    return [
        *_load(evidence),
        *_promises(evidence),
        *_turnaround(evidence),
        *_processes(evidence),
        *_database(evidence),
        *_disk(evidence),
    ]


def hours(samples: Sequence[Sample]) -> float:
    """For how long the processes ran, all lives together."""
    lives = {one["life"] for one in samples}
    spans = [[one["at_s"] for one in samples if one["life"] == life] for life in lives]
    return sum(max(span) - min(span) for span in spans) / 3600


def _studies(evidence: Evidence) -> int:
    return sum(line["event"] == "ended" for line in evidence.sent)


def _load(evidence: Evidence) -> Iterator[Row]:
    lives = evidence.samples[-1]["life"]
    ran = hours(evidence.samples)
    yield Row(name="soak: hours", unit="h", value=ran, n=lives, note=f"{lives} life of the processes")
    studies = _studies(evidence)
    yield Row(
        name="soak: studies sent", unit="", value=studies, note=f"{studies / max(ran, 1e-9):.1f} an hour"
    )
    series = judging.acknowledged(evidence.sent)
    instances = sum(line["instances"] for line in series.values())
    yield Row(name="soak: series acknowledged", unit="", value=len(series), note=f"{instances} instances")
    if studies:
        each = instances / studies
        yield Row(name="soak: instances, a study", unit="", value=each, n=studies)
    refused = sum(line["event"] == "refused" for line in evidence.sent)
    taken = sum(line["event"] == "taken" for line in evidence.sent)
    yield Row(
        name="soak: false instances taken",
        unit="",
        value=taken,
        n=refused + taken,
        target=0,
        note="of n offered",
    )
    waited = [one["gauges"].get("millet_jobs_oldest_wait_seconds", 0.0) for one in evidence.samples]
    yield Row(name="soak: longest wait of a series in the queue", unit="s", value=max(waited), n=len(waited))
    seen = [
        v
        for one in evidence.samples
        if (v := one["gauges"].get("millet_canary_sensitivity_ratio")) is not None
    ]
    if seen:
        yield Row(
            name="soak: canary, least share of its nodules found",
            unit="",
            value=min(seen),
            n=len(seen),
            target=0.8,
            higher_is_better=True,
        )


def _wanted(evidence: Evidence) -> dict[str, Mapping[str, Any]]:
    """The series that must have ended."""
    every = judging.acknowledged(evidence.sent)
    return {uid: line for uid, line in every.items() if line["last_s"] < evidence.settled_s}


def _promises(evidence: Evidence) -> Iterator[Row]:
    wanted = _wanted(evidence)
    broken = judging.broken(wanted, evidence.lines, evidence.reports, evidence.received)
    told = "; ".join(broken[:3]) or f"{len(evidence.reports)} objects in the PACS"
    yield Row(
        name="soak: promises broken (lost, ended twice, reported never or twice)",
        unit="",
        value=len(broken),
        n=len(wanted),
        target=0,
        note=told,
    )
    left = judging.waiting(wanted, evidence.lines, evidence.reports)
    note = "when it was judged, of n that were acknowledged before"
    yield Row(name="soak: series that still waited", unit="", value=len(left), n=len(wanted), note=note)


def _turnaround(evidence: Evidence) -> Iterator[Row]:
    wanted = _wanted(evidence)
    seconds = judging.turnarounds(wanted, evidence.lines, evidence.reports, evidence.received)
    for share in (50, 95) if seconds else ():
        yield Row(
            name=f"soak: last slice to SR in the PACS, p{share}",
            unit="s",
            value=float(np.percentile(seconds, share)),
            low=min(seconds),
            high=max(seconds),
            n=len(seconds),
        )


def _processes(evidence: Evidence) -> Iterator[Row]:
    rested = judging.last_life(evidence.samples)
    sent, ran_h = _sent_between(evidence.samples), hours(evidence.samples)
    done = _done_between(evidence)
    for name in rested[-1]["processes"]:
        own = [(one["at_s"], one["processes"][name]) for one in rested]
        yield _growth(f"soak: {name}, memory at rest", "MB/h", own, lambda one: one["private_mb"])
        yield _growth(f"soak: {name}, handles at rest", "1/h", own, lambda one: one["handles"])
        ever = [one["processes"][name]["pss_mb"] for one in evidence.samples]
        note = f"at rest {min(one['pss_mb'] for _, one in own):.0f} MB"
        yield Row(name=f"soak: {name}, peak memory", unit="MB", value=max(ever), n=len(ever), note=note)
        spent_s = judging.gained(evidence.samples, lambda one, name=name: one["processes"][name]["cpu_s"])
        note = f"{spent_s / 3600 / max(ran_h, 1e-9):.3f} cores"
        studies = done if name in AFTERWARDS else sent
        each = spent_s / studies if studies else None
        what = f"soak: {name}, processor time a study"
        yield Row(name=what, unit="s", value=each, n=round(studies), note=note)


def _done_between(evidence: Evidence) -> float:
    """As many studies, but for the share of series that waited still when it was judged."""
    every = judging.acknowledged(evidence.sent)
    left = len(judging.waiting(every, evidence.lines, evidence.reports)) / max(len(every), 1)
    return _sent_between(evidence.samples) * (1 - left)


def _sent_between(samples: Sequence[Sample]) -> int:
    """Studies that were sent between the first sample and the last."""
    return int(samples[-1]["studies"] - samples[0]["studies"])


def _growth(
    name: str,
    unit: str,
    own: Sequence[tuple[float, Mapping[str, float]]],
    value: Callable[[Mapping[str, float]], float],
) -> Row:
    found = judging.trend([(at_s, value(one)) for at_s, one in own])
    if found is None:
        return Row(name=name, unit=unit, note="too short to tell")
    memory = unit.startswith("MB")
    allowed = (
        judging.allowed_mb_per_hour(found.level) if memory else judging.MAY_GROW_HANDLES / judging.AHEAD_HOURS
    )
    ahead = f"{found.per_hour * judging.AHEAD_HOURS:+.0f} in {judging.AHEAD_HOURS:.0f} h at this slope"
    return Row(
        name=name,
        unit=unit,
        value=found.per_hour,
        low=found.low,
        high=found.high,
        n=found.blocks,
        target=allowed,
        strict=True,
        note=f"{found.verdict(allowed)}; {found.level:.0f} at first, {ahead}",
    )


def _database(evidence: Evidence) -> Iterator[Row]:
    studies = _sent_between(evidence.samples)
    try:
        found = judging.explained(evidence.samples)
    except ValueError as why:
        yield Row(name="soak: database, a study", unit="kB", note=str(why))
        return
    if not studies or not found.grown_bytes:
        yield Row(name="soak: database, a study", unit="kB", note="no study was sent after the warm-up")
        return
    total = sum(size_bytes for _, size_bytes in found.by_table.values())
    yield Row(name="soak: database, a study", unit="kB", value=total / studies / 1000, n=studies)
    yield Row(
        name="soak: database growth told by rows times bytes",
        unit="",
        value=found.told_bytes / found.grown_bytes,
        note="second half, by the bytes a row took in the first",
    )
    for name, (more, size_bytes) in sorted(found.by_table.items(), key=lambda one: -one[1][1]):
        if size_bytes > 0.01 * total:
            each = f"{size_bytes / more:.0f} bytes a row" if more else "no row more"
            told = f"{more / studies:.1f} rows a study; {each}"
            yield Row(
                name=f"soak: table {name}, a study",
                unit="kB",
                value=size_bytes / studies / 1000,
                n=studies,
                note=told,
            )


def _disk(evidence: Evidence) -> Iterator[Row]:
    samples, sent = evidence.samples, max(_sent_between(evidence.samples), 1)
    kept = [one["disk"]["spool"] / 1e9 for one in samples]
    name = "soak: spool, most at once"
    yield Row(name=name, unit="GB", value=max(kept), low=min(kept), high=max(kept), n=len(kept))
    for name in samples[-1]["disk"]:
        if name != "spool":
            more = samples[-1]["disk"][name] - samples[0]["disk"][name]
            studies = max(_done_between(evidence), 1) if name == "objects" else sent
            value = more / studies / 1e6
            yield Row(name=f"soak: {name}, a study", unit="MB", value=value, n=round(studies))
    for kind, (count, size_bytes) in sorted(evidence.objects.items(), key=lambda one: -one[1][1]):
        yield Row(name=f"soak: object {kind}, each", unit="MB", value=size_bytes / count / 1e6, n=count)
