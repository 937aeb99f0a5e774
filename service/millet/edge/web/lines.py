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


def changing(status: SeriesStatus) -> bool:
    """Whether its page will change by itself soon."""
    return status.state in {State.RECEIVING, State.QUEUED, State.ANALYSING} or status.deliveries_pending > 0


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


def findings(status: SeriesStatus) -> str:
    """One short sentence for the worklist's row."""
    found = _found(status)
    if status.triage_before is None:
        return found
    return f"{found}; was {LEVELS[status.triage_before].label.lower()} before late instances"


def _found(status: SeriesStatus) -> str:
    if status.reason_code:
        return words(status.reason_code)
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
