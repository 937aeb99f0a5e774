"""What the samples of a soak say, as pure functions: does anything grow that should not, and was all kept.

A process is judged by what it holds at rest: the least of every few minutes, since a series in hand takes
hundreds of megabytes and gives them back. The slope of these is Theil's and Sen's (Sen, J Am Stat Assoc
63:1379, 1968), the median of the slopes of all pairs, which a few outliers do not move, with its
95 % interval.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scipy import stats

Sample = Mapping[str, Any]
BLOCK_S, WHOLE_SHARE = 300.0, 0.8
"""A block, and what of the last one must be there for it to count."""
WARM_UP_SHARE, LONGEST_WARM_UP_S = 0.25, 3600.0
"""Of a life of the processes: pools, caches and the allocator's arenas fill first."""
FEWEST_BLOCKS = 5
AHEAD_HOURS = 72.0
MAY_GROW_SHARE, MAY_GROW_MB, MAY_GROW_HANDLES = 0.25, 64.0, 32.0
"""What a process may gain in AHEAD_HOURS and be flat: the greater of a quarter and 64 MB; 32 handles."""
FLAT, GROWS, UNDECIDED = "flat", "grows", "undecided"
DELIVERED = frozenset({"done", "dead"})
WAITING = frozenset({"receiving", "queued", "analysing"})
ENDED = frozenset({"analysed", "not-analysed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How something at rest changes an hour, with its 95 % interval, and the level it starts from."""

    per_hour: float
    low: float
    high: float
    level: float
    blocks: int

    def verdict(self, allowed_per_hour: float) -> str:
        """FLAT or GROWS where the whole interval lies on one side of what is allowed, else UNDECIDED."""
        if self.high <= allowed_per_hour:
            return FLAT
        return GROWS if self.low > allowed_per_hour else UNDECIDED


class Report(NamedTuple):
    """An object that the journal says was made and is to be delivered."""

    series_uid: str
    generation: int
    kind: str
    sop_instance_uid: str
    state: str


class Line(NamedTuple):
    """A series of the journal."""

    series_uid: str
    state: str
    generation: int
    instances: int
    analyses: int
    """Of its newest generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Growth of the database in the second half, against rows times the bytes a row took in the first."""

    grown_bytes: int
    told_bytes: float
    by_table: Mapping[str, tuple[int, int]]
    """Rows and bytes that each table gained, of those that gained any."""


def last_life(samples: Sequence[Sample]) -> list[Sample]:
    """The samples since the processes were started last, without their warm-up."""
    lived = [one for one in samples if one["life"] == samples[-1]["life"]]
    begun_s, ended_s = lived[0]["at_s"], lived[-1]["at_s"]
    warm_s = min(WARM_UP_SHARE * (ended_s - begun_s), LONGEST_WARM_UP_S)
    return [one for one in lived if one["at_s"] >= begun_s + warm_s]


def gained(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """What a figure that begins anew with each life gained, all lives together."""
    lives = dict.fromkeys(one["life"] for one in samples)
    lived = ([of(one) for one in samples if one["life"] == life] for life in lives)
    return sum(values[-1] - values[0] for values in lived)


def trend(points: Sequence[tuple[float, float]]) -> Trend | None:
    """Of times in seconds and values; None for less than FEWEST_BLOCKS whole blocks."""
    blocks: dict[int, list[float]] = defaultdict(list)
    for at_s, value in points:
        blocks[int((at_s - points[0][0]) // BLOCK_S)].append(value)
    if points[-1][0] - points[0][0] < max(blocks) * BLOCK_S + WHOLE_SHARE * BLOCK_S:
        del blocks[max(blocks)]
    if len(blocks) < FEWEST_BLOCKS:
        return None
    hours = [number * BLOCK_S / 3600 for number in blocks]
    values = [min(block) for block in blocks.values()]
    slope, _, low, high = stats.theilslopes(values, hours, alpha=0.95)
    return Trend(per_hour=float(slope), low=float(low), high=float(high), level=values[0], blocks=len(values))


def allowed_mb_per_hour(level_mb: float) -> float:
    """What memory may gain an hour and be called flat."""
    return max(MAY_GROW_SHARE * level_mb, MAY_GROW_MB) / AHEAD_HOURS


def explained(samples: Sequence[Sample]) -> Explained:
    """What the database gained. Raises ValueError for fewer than three samples of it."""
    sized = [one["tables"] for one in samples if one.get("tables")]
    if len(sized) < 3:
        raise ValueError("three samples of the database are needed")
    first, middle, last = sized[0], sized[len(sized) // 2], sized[-1]
    told, grown = 0.0, 0
    for name in last:
        rows, size_bytes = _gained(first, middle, name)
        more_rows, more_bytes = _gained(middle, last, name)
        told += more_rows * size_bytes / rows if rows > 0 else 0.0
        grown += more_bytes
    by_table = {name: _gained(first, last, name) for name in last}
    return Explained(
        grown_bytes=grown,
        told_bytes=told,
        by_table={name: gained for name, gained in by_table.items() if any(gained)},
    )


def _gained(before: Sample, after: Sample, name: str) -> tuple[int, int]:
    old, new = before.get(name, {"rows": 0, "bytes": 0}), after[name]
    return new["rows"] - old["rows"], new["bytes"] - old["bytes"]


def acknowledged(sent: Collection[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What was acknowledged last of each series."""
    return {line["series_uid"]: line for line in sent if line["event"] == "series"}


def broken(
    wanted: Mapping[str, Mapping[str, Any]],
    lines: Collection[Line],
    reports: Collection[Report],
    received: Collection[str],
) -> list[str]:
    """Every promise that was not kept: each acknowledged series ends once and is reported exactly once.

    A series that waits still breaks none: see `waiting`.
    """
    by_uid = {line.series_uid: line for line in lines}
    own = [report for report in reports if report.series_uid in wanted]
    reported = {(one.series_uid, one.generation) for one in own}
    there = frozenset(received)
    found = [_series(uid, told["instances"], by_uid.get(uid)) for uid, told in wanted.items()]
    found += [_report(report, there) for report in own]
    objects = Counter((one.series_uid, one.generation, one.kind) for one in own)
    found += [
        f"{kind} of {uid}: {number} objects" for (uid, _, kind), number in objects.items() if number > 1
    ]
    silent = [line for line in lines if line.series_uid in wanted and line.state == "analysed"]
    found += [
        f"{line.series_uid}: analysed, and no report of generation {line.generation}"
        for line in silent
        if (line.series_uid, line.generation) not in reported
    ]
    return [what for what in found if what]


def waiting(
    wanted: Mapping[str, Mapping[str, Any]], lines: Collection[Line], reports: Collection[Report]
) -> set[str]:
    """The series that have not ended, or with a report that waits to be delivered."""
    unsent = {report.series_uid for report in reports if report.state not in DELIVERED}
    return ({line.series_uid for line in lines if line.state in WAITING} | unsent) & wanted.keys()


def _series(uid: str, instances: int, line: Line | None) -> str:
    """What is wrong with a series; empty where it ended as it should."""
    if line is None:
        return f"{uid}: acknowledged, and not in the journal"
    if line.instances != instances:
        return f"{uid}: {instances} instances acknowledged, {line.instances} journalled"
    if line.state in WAITING:
        return ""
    if line.state not in ENDED:
        return f"{uid}: left {line.state}"
    return "" if line.analyses == 1 else f"{uid}: {line.analyses} outcomes of generation {line.generation}"


def _report(report: Report, received: Collection[str]) -> str:
    """What is wrong with a report; empty where it is in the PACS, or waits."""
    name = f"{report.kind} of {report.series_uid}, generation {report.generation}"
    if report.state not in DELIVERED:
        return ""
    if report.state == "dead":
        return f"{name}: given up"
    return "" if report.sop_instance_uid in received else f"{name}: said to be delivered, and is not there"


def turnarounds(
    wanted: Mapping[str, Mapping[str, Any]],
    lines: Collection[Line],
    reports: Collection[Report],
    received: Mapping[str, float],
) -> list[float]:
    """Seconds from each series' last slice to the report in the PACS that holds it."""
    newest = {line.series_uid: line.generation for line in lines if line.state == "analysed"}
    return [
        received[report.sop_instance_uid] - wanted[report.series_uid]["last_s"]
        for report in reports
        if report.kind == "sr"
        and report.series_uid in wanted
        and report.generation == newest.get(report.series_uid)
        and report.sop_instance_uid in received
    ]
