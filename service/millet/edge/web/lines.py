"""What the page says of a series: words and marks, no decisions.

No word here tells a reader that a study is free of disease: an unflagged one is "to be read in turn".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from millet.core.analysis import TriageLevel
from millet.core.job import State
from millet.core.waiting import Patience
from millet.core.wording import words
from millet.ports import SeriesKey, SeriesStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A mark that says the same by word, sign and colour."""

    style: str
    sign: str
    label: str
    hint: str


LEVELS: Mapping[TriageLevel, Badge] = MappingProxyType(
    {
        TriageLevel.CRITICAL: Badge(
            style="critical", sign="▲▲", label="Critical", hint="should reach a person now"
        ),
        TriageLevel.URGENT: Badge(
            style="urgent", sign="▲", label="Urgent", hint="read ahead of the ordinary order"
        ),
        TriageLevel.NOTABLE: Badge(
            style="notable", sign="●", label="Notable", hint="findings, in the ordinary order"
        ),
        TriageLevel.UNFLAGGED: Badge(
            style="unflagged",
            sign="○",
            label="Unflagged",
            hint="nothing raised its priority; to be read in turn",
        ),
        TriageLevel.NOT_ASSESSED: Badge(
            style="refused", sign="✕", label="Not analysed", hint="nothing was judged; to be read in turn"
        ),
    }
)
PENDING: Mapping[str, Badge] = MappingProxyType(
    {
        State.RECEIVING: Badge(style="pending", sign="↓", label="Receiving", hint="instances may still come"),
        State.QUEUED: Badge(style="pending", sign="…", label="Waiting", hint="waits to be analysed"),
        State.ANALYSING: Badge(style="pending", sign="◐", label="Analysing", hint="being analysed"),
        State.PARKED: Badge(
            style="failed", sign="!", label="Failed", hint="a fault of this service; an operator must look"
        ),
    }
)


def marks(status: SeriesStatus) -> tuple[Badge, ...]:
    """What a series is marked with, the weightiest first.

    One that ended has its triage level. One in work has its state; if late instances re-opened it, the
    level of what was already analysed stands before that, so that an alarm never goes out by itself.
    """
    in_work = PENDING.get(status.state)
    if in_work is None:
        return (LEVELS[status.triage or TriageLevel.NOT_ASSESSED],)
    judged = status.triage not in {None, TriageLevel.NOT_ASSESSED}
    return (LEVELS[TriageLevel(status.triage or "")], in_work) if judged else (in_work,)


def address(key: SeriesKey) -> str:
    """The page of a series."""
    return f"/series/{quote(key.site, safe='')}/{quote(key.series_uid, safe='')}"


def tail(identifier: str) -> str:
    """The last four characters of an identifier, enough to tell two rows apart."""
    return f"…{identifier[-4:]}" if len(identifier) > 4 else identifier


def day(date_da: str) -> str:
    """A DICOM date (DA) as year-month-day; what is no such date stays as it is."""
    whole = len(date_da) == 8 and date_da.isascii() and date_da.isdigit()
    return f"{date_da[:4]}-{date_da[4:6]}-{date_da[6:]}" if whole else date_da


def minute(moment_utc: datetime) -> str:
    """A time for people, in UTC."""
    return moment_utc.strftime("%Y-%m-%d %H:%M")


def lasting(seconds: float) -> str:
    """A length of time for people, in the two units that matter."""
    minutes = int(max(seconds, 0.0)) // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h" if days < 10 else f"{days} d"
    return f"{hours} h {minutes % 60:02} min" if hours else f"{minutes} min"


def place(status: SeriesStatus) -> str:
    """Equal for two states of a row that differ in nothing but how far it has come."""
    sent = f"{status.deliveries_pending}.{status.deliveries_dead}"
    by = status.acknowledgement
    seen = f"{by.at_utc.isoformat()} {status.is_acknowledged}" if by else ""
    return f"{status.state} {status.triage or ''} {status.generation} {sent} {status.best_of_study} {seen}"


def acknowledgeable(status: SeriesStatus) -> bool:
    """Whether there is a level that somebody can have seen."""
    return status.analysed_generation > 0


def other(status: SeriesStatus) -> bool:
    """Whether another series of its study is the one to open first."""
    return bool(status.best_series_uid) and not status.best_of_study


def overdue(status: SeriesStatus, patience: Patience, now_utc: datetime) -> bool:
    """Whether nobody acknowledged it in time."""
    late = patience.is_overdue(status.triage, status.analysed_utc, now_utc)
    return late and not status.is_acknowledged


def aged(status: SeriesStatus, patience: Patience, now_utc: datetime) -> bool:
    """Whether it waits for so long that it is listed among the notable ones."""
    before = None if status.is_acknowledged else patience.aged_before(now_utc)
    below = status.triage in {None, TriageLevel.UNFLAGGED, TriageLevel.NOT_ASSESSED}
    return below and before is not None and status.first_received_utc < before


def code(text: str) -> str:
    """A stable code as words."""
    return text.replace("-", " ")


def findings(status: SeriesStatus) -> str:
    """One short sentence for the worklist's row."""
    found = _found(status)
    if status.triage_before is None:
        return found
    return f"{found}; was {LEVELS[status.triage_before].label.lower()} before late instances"


def _found(status: SeriesStatus) -> str:
    if status.reason_code:
        return words(status.reason_code, status.language)
    if status.nodules is None:
        return _so_far(status)
    count = {0: "no nodule reported", 1: "1 nodule"}.get(status.nodules, f"{status.nodules} nodules")
    return f"{count}, count not reliable" if status.count_reliable is False else count


def _so_far(status: SeriesStatus) -> str:
    """How far a series without an analysis has come."""
    parts = [f"{status.instances} instances so far"] if status.state == State.RECEIVING else []
    if status.windows_total:
        parts.append(f"{status.windows_done} of {status.windows_total} windows looked at")
    return ", ".join(parts)


def reports(status: SeriesStatus) -> str:
    """Where the reports of the newest analysis are."""
    if status.outcome is None:
        return "none yet"
    if status.deliveries_pending:
        return f"{status.deliveries_pending} to deliver"
    return "not all delivered" if status.deliveries_dead else "delivered"
