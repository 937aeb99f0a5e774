"""What a page says across its top: what is overdue, and why the list may not be what it seems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from millet.core.analysis import TriageLevel
from millet.core.waiting import Patience
from millet.edge.web.choice import Choice
from millet.edge.web.lines import lasting
from millet.edge.web.voice import Voice
from millet.ports import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One sentence across the top."""

    kind: str
    """overdue, behind, failed or away; what it looks like."""
    text: str
    address: str = ""
    """Of the list of what it speaks of; empty where there is none."""


_LOUDEST = tuple(reversed(TriageLevel))


def away(voice: Voice) -> Alarm:
    """The store does not answer."""
    return Alarm(kind="away", text=voice.t("alarm.away"))


def alarms(overview: Overview, patience: Patience, now_utc: datetime, voice: Voice) -> Sequence[Alarm]:
    """Everything that has to be said now, the weightiest first."""
    return tuple(_all(overview, patience, now_utc, voice))


def _all(overview: Overview, patience: Patience, now_utc: datetime, voice: Voice) -> Iterator[Alarm]:
    for level in _LOUDEST:
        if count := overview.overdue.get(level, 0):
            after = lasting(patience.escalate_s[level])
            yield Alarm(
                kind="overdue",
                text=voice.t(
                    "alarm.overdue", count=count, level=voice.level(level).label.lower(), after=after
                ),
                address=Choice().address(level=level, overdue=True),
            )
    if patience.is_behind(overview.waiting_since_utc, now_utc) and overview.waiting_since_utc:
        since = lasting((now_utc - overview.waiting_since_utc).total_seconds())
        yield Alarm(
            kind="behind",
            text=voice.t("alarm.behind", count=overview.waiting, since=since),
            address=Choice().address(state="pending"),
        )
    if overview.failed:
        yield Alarm(
            kind="failed",
            text=voice.t("alarm.failed", count=overview.failed),
            address=Choice().address(state="failed", days=0),
        )
