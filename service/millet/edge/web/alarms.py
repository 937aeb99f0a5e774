"""What a page says across its top: what is overdue, and why the list may not be what it seems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from millet.core.analysis import TriageLevel
from millet.core.waiting import Patience
from millet.edge.web.choice import Choice
from millet.edge.web.lines import LEVELS, lasting
from millet.ports import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One sentence across the top."""

    kind: str
    """overdue, behind, failed or away; what it looks like."""
    text: str
    address: str = ""
    """Of the list of what it speaks of; empty where there is none."""


AWAY = Alarm(
    kind="away", text="The store does not answer. What you see may be old; what is new does not show."
)
_LOUDEST = tuple(reversed(TriageLevel))


def alarms(overview: Overview, patience: Patience, now_utc: datetime) -> Sequence[Alarm]:
    """Everything that has to be said now, the weightiest first."""
    return tuple(_all(overview, patience, now_utc))


def _all(overview: Overview, patience: Patience, now_utc: datetime) -> Iterator[Alarm]:
    for level in _LOUDEST:
        if count := overview.overdue.get(level, 0):
            after = lasting(patience.escalate_s[level])
            yield Alarm(
                kind="overdue",
                text=f"{count} {LEVELS[level].label.lower()}, not acknowledged within {after}.",
                address=Choice().address(level=level, overdue=True),
            )
    if patience.is_behind(overview.waiting_since_utc, now_utc) and overview.waiting_since_utc:
        since = lasting((now_utc - overview.waiting_since_utc).total_seconds())
        yield Alarm(
            kind="behind",
            text=f"The analysis is behind: {overview.waiting} series wait, the first of them for {since}. "
            "The order below does not know them yet.",
            address=Choice().address(state="pending"),
        )
    if overview.failed:
        yield Alarm(
            kind="failed",
            text=f"{overview.failed} failed: nothing looked at them, an operator must.",
            address=Choice().address(state="failed", days=0),
        )
