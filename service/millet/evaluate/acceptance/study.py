"""What a site's studies came to, series by series and as a whole. No patient data.

A study is judged as the service does it: every series that is fit is analysed, the study's level is the
highest of its series (`core.notification`), and the series to open first is chosen by `core.best`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from millet.codec import record
from millet.codec.scanner import Scanner
from millet.core import best
from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.core.assembler import Arrival, ClosedBy, Waits, closed
from millet.core.makes import kernel_of
from millet.core.notification import highest
from millet.core.reasons import Weight
from millet.core.series import SliceHeader

NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSeen:
    """One series: what it is, and what became of it."""

    digest: str
    """SHA-256 in hex over its instances' bytes, whatever their order."""
    standing: best.Candidate
    outcome: Outcome
    reason_code: str
    """Why it was not analysed; empty where it was."""
    level: TriageLevel
    reasons: tuple[str, ...]
    """In words: why it has this level, or why it was not analysed."""
    outside_use: tuple[str, ...]
    """Codes of what puts it outside the validated use."""
    nodules: int
    count_reliable: bool
    scanner: str
    kernel: str
    thickness_mm: float | None
    instances: int
    closed_by: ClosedBy
    """By what the service would have taken it for complete."""
    seconds: float
    """Reading its files included."""
    result_digest: str
    """SHA-256 in hex over all that was found, the time left out."""

    @property
    def analysed(self) -> bool:
        """Whether it was."""
        return self.outcome is not Outcome.NOT_ANALYSED

    def is_alert(self, least: TriageLevel) -> bool:
        """Whether it has this level or a higher one."""
        return highest((self.level, least)) is self.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A series as it came, and how long it took."""

    series_uid: str
    digest: str
    scanner: Scanner
    instances: int
    seconds: float


def series_seen(came: Came, analysis: Analysis, headers: Sequence[SliceHeader], waits: Waits) -> SeriesSeen:
    """What is kept of a series that was analysed; `headers` are of the instances that can be read."""
    standing = best.examined(best.candidate(came.series_uid, headers), analysis)
    outside = {one.reason.value for one in analysis.remarks if one.weight is Weight.OUTSIDE_USE}
    return SeriesSeen(
        digest=came.digest,
        standing=standing,
        outcome=analysis.outcome,
        reason_code=analysis.reason_code,
        level=analysis.triage.level,
        reasons=tuple(str(reason) for reason in analysis.triage.reasons),
        outside_use=tuple(sorted(outside)),
        nodules=len(analysis.nodules),
        count_reliable=analysis.count_reliable,
        scanner=came.scanner.name,
        kernel=_kernel(standing.kernel or next((h.kernel for h in headers if h.kernel), "")),
        thickness_mm=standing.slice_mm or next((h.slice_thickness_mm for h in headers), None),
        instances=came.instances,
        closed_by=closes(headers, waits),
        seconds=came.seconds,
        result_digest=result_digest(analysis),
    )


def closes(headers: Sequence[SliceHeader], waits: Waits) -> ClosedBy:
    """By what the service takes a series for complete of which nothing more comes."""
    arrival = Arrival(headers=tuple(headers), last_instance_s=0.0, open_associations=0, released_s=0.0)
    return (
        closed(arrival, waits.settle_s, waits) or closed(arrival, waits.gap_wait_s, waits) or ClosedBy.QUIET
    )


def result_digest(analysis: Analysis) -> str:
    """SHA-256 in hex over an analysis, whenever it was made."""
    undated = replace(analysis, created_utc=datetime.min.replace(tzinfo=UTC))
    return sha256(record.encode(undated).encode()).hexdigest()


def _kernel(name: str) -> str:
    """As it is written, with what it does."""
    written = "".join(each if each.isprintable() else " " for each in name).strip()
    return f"{written} ({kernel_of(written)})" if written else NOT_STATED


@dataclass(frozen=True, kw_only=True)
class StudySeen:
    """One study of a site: its series, in an order that does not depend on where they lie."""

    digest: str
    """Keyed, so that it tells nothing to who has not the site's key."""
    patient: str
    """The same for studies of one patient; goes into no report."""
    series: tuple[SeriesSeen, ...]

    @cached_property
    def best(self) -> SeriesSeen | None:
        """The series to open first; None where none is fit."""
        standings = best.judge([one.standing for one in self.series])
        chosen = {standing.best_series_uid for standing in standings.values()}
        return next((one for one in self.series if one.standing.series_uid in chosen), None)

    @property
    def shown(self) -> SeriesSeen:
        """Whose scanner, kernel and slices stand for it: the best one, else the one with most instances."""
        return self.best or max(self.series, key=lambda one: (one.instances, one.digest))

    @property
    def analysed(self) -> bool:
        """Whether any series was."""
        return any(one.analysed for one in self.series)

    @property
    def level(self) -> TriageLevel:
        """The highest of its series."""
        return highest(one.level for one in self.series)

    @property
    def deciding(self) -> SeriesSeen:
        """The series that has this level: the one to open first, if it has it."""
        having = [one for one in self.series if one.level is self.level]
        return self.shown if self.shown in having else max(having, key=lambda one: one.instances)

    @property
    def reason_code(self) -> str:
        """Why the study was not analysed; empty where it was."""
        return "" if self.analysed else self.shown.reason_code

    @property
    def seconds(self) -> float:
        """Of all series, one after the other."""
        return sum(one.seconds for one in self.series)

    def is_alert(self, least: TriageLevel) -> bool:
        """Whether it would have been told to somebody who wants to hear from this level on."""
        return any(one.is_alert(least) for one in self.series)
