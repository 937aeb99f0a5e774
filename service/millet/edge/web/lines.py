"""What the page shows of a series beside its words: addresses, what is cut short, what stands out."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from millet.core.analysis import Outcome, TriageLevel
from millet.core.waiting import Patience
from millet.ports import SeriesKey, SeriesStatus


def address(key: SeriesKey) -> str:
    """The page of a series."""
    return f"/series/{quote(key.site, safe='')}/{quote(key.series_uid, safe='')}"


def tail(identifier: str) -> str:
    """The last four characters of an identifier, enough to tell two rows apart."""
    return f"…{identifier[-4:]}" if len(identifier) > 4 else identifier


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
    """Whether another series of its study is the one to open first; a judged report has a page of its own."""
    return bool(status.best_series_uid) and not status.best_of_study and status.outcome is not Outcome.JUDGED


def overdue(status: SeriesStatus, patience: Patience, now_utc: datetime) -> bool:
    """Whether nobody acknowledged it in time."""
    late = patience.is_overdue(status.triage, status.analysed_utc, now_utc)
    return late and not status.is_acknowledged


def aged(status: SeriesStatus, patience: Patience, now_utc: datetime) -> bool:
    """Whether it waits for so long that it is listed among the notable ones."""
    before = None if status.is_acknowledged else patience.aged_before(now_utc)
    below = status.triage in {None, TriageLevel.UNFLAGGED, TriageLevel.NOT_ASSESSED}
    return below and before is not None and status.first_received_utc < before
