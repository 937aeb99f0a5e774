"""The ledger: what was acknowledged against what is there in the end.

A rule is one function from the evidence to the violations of it; there is nothing else to believe.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from faults.books import DEAD, DONE, ENDED, Books
from faults.modality import Acked
from faults.pacs import Kept

LOST = ""
"""The digest of what cannot be read back."""


class Violation(NamedTuple):
    """A promise that was not kept."""

    rule: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that is known when all has settled."""

    acked: Collection[Acked]
    books: Books
    stored: Mapping[str, str]
    """Path of an instance -> digest of its data set as it is read back, LOST where it cannot be."""
    made: Mapping[str, str]
    """Path of a report -> likewise."""
    kept: Sequence[Kept]
    """What reached the destination, each time."""


def judge(evidence: Evidence) -> list[Violation]:
    """Every violation there is."""
    return [violation for rule in RULES for violation in rule(evidence)]


def _nothing_is_lost(evidence: Evidence) -> Iterator[Violation]:
    """Each acknowledged instance can be read back, byte by byte, from a row of its own series."""
    there = defaultdict(set)
    for line in evidence.books.instances:
        there[line.series_uid, line.sop_instance_uid].add(evidence.stored.get(line.path, LOST))
    for one in sorted(evidence.acked):
        found = there[one.series_uid, one.sop_instance_uid]
        if not found:
            yield Violation("lost", f"{one.sop_instance_uid}: acknowledged, and the journal has no row")
        elif one.digest not in found:
            how = "cannot be read" if found == {LOST} else "has other bytes"
            yield Violation("lost", f"{one.sop_instance_uid}: acknowledged, and {how}")


def _nothing_is_half(evidence: Evidence) -> Iterator[Violation]:
    """Each row of the journal stands for bytes that can be read, each instance is there once a digest."""
    for line in evidence.books.instances:
        if evidence.stored.get(line.path, LOST) == LOST:
            yield Violation("half", f"{line.sop_instance_uid}: a row without bytes")
    rows = Counter(
        (line.sop_instance_uid, evidence.stored.get(line.path, LOST)) for line in evidence.books.instances
    )
    for (uid, _), times in rows.items():
        if times > 1:
            yield Violation("half", f"{uid}: {times} rows for the same bytes")
    for report in evidence.books.reports:
        if evidence.made.get(report.path, LOST) == LOST:
            yield Violation("half", f"{report.kind} of {report.series_uid}: a report without bytes")


def _each_series_ends_once(evidence: Evidence) -> Iterator[Violation]:
    """Each series with an acknowledged instance ended, its newest generation in exactly one outcome."""
    books = evidence.books
    lines = {line.series_uid: line for line in books.series}
    outcomes = Counter((line.series_uid, line.generation) for line in books.analyses)
    for series_uid in sorted({one.series_uid for one in evidence.acked}):
        line = lines.get(series_uid)
        if line is None:
            yield Violation("outcome", f"{series_uid}: acknowledged, and the journal has no such series")
            continue
        if line.state not in ENDED:
            yield Violation("outcome", f"{series_uid}: left {line.state}, generation {line.generation}")
        elif outcomes[series_uid, line.generation] != 1:
            number = outcomes[series_uid, line.generation]
            yield Violation("outcome", f"{series_uid}: {number} outcomes of generation {line.generation}")
        newest = max((one.generation for one in books.instances if one.series_uid == series_uid), default=0)
        if newest != line.generation:
            yield Violation("outcome", f"{series_uid}: generation {line.generation}, instances of {newest}")
    for (series_uid, generation), number in outcomes.items():
        if number > 1:
            yield Violation("outcome", f"{series_uid}: generation {generation} has {number} outcomes")


def _each_report_arrives(evidence: Evidence) -> Iterator[Violation]:
    """Each report of each outcome reached the destination, with the bytes that were committed."""
    kept = defaultdict(set)
    for one in evidence.kept:
        kept[one.sop_instance_uid].add(one.digest)
    for report in evidence.books.reports:
        name = f"{report.kind} of {report.series_uid}, generation {report.generation}"
        if report.state == DEAD:
            yield Violation("report", f"{name}: given up")
        elif report.state != DONE:
            yield Violation("report", f"{name}: left {report.state}")
        elif not kept[report.sop_instance_uid]:
            yield Violation("report", f"{name}: said to be delivered, and is not there")
        elif kept[report.sop_instance_uid] != {evidence.made.get(report.path, LOST)}:
            yield Violation("report", f"{name}: arrived with other bytes than were committed")
    reported = {(report.series_uid, report.generation) for report in evidence.books.reports}
    for line in evidence.books.analyses:
        if line.outcome != "not-analysed" and (line.series_uid, line.generation) not in reported:
            yield Violation("report", f"{line.series_uid}, generation {line.generation}: no report")


def _no_report_is_double(evidence: Evidence) -> Iterator[Violation]:
    """One object for each kind and generation, whatever was sent twice; none that nobody committed."""
    names = defaultdict(set)
    for report in evidence.books.reports:
        names[report.series_uid, report.generation, report.kind].add(report.sop_instance_uid)
    for (series_uid, generation, kind), uids in names.items():
        if len(uids) > 1:
            yield Violation("double", f"{kind} of {series_uid}, generation {generation}: {len(uids)} objects")
    known = {report.sop_instance_uid for report in evidence.books.reports}
    for uid in sorted({one.sop_instance_uid for one in evidence.kept} - known):
        yield Violation("double", f"{uid}: the destination has a report that was never committed")


RULES = (
    _nothing_is_lost,
    _nothing_is_half,
    _each_series_ends_once,
    _each_report_arrives,
    _no_report_is_double,
)
