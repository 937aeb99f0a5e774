"""How long a study may wait: what is overdue, what rises with time, when the service is behind.

No flag never means that a study may wait for ever. One that nothing was found in, that was not analysed or
that failed ranks with the notable ones after a while, and among them by its waiting time alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from millet.core.analysis import TriageLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is too long, in seconds; 0 for never."""

    escalate_s: Mapping[TriageLevel, float] = field(default_factory=dict)
    """After how long a level that nobody acknowledged is overdue; a level that is not there never is."""
    age_up_s: float = 0.0
    """After how long a study ranks with the notable ones at least."""
    backlog_s: float = 0.0
    """How long a complete series may wait for its analysis before the service counts as behind."""

    def overdue_before(self, now_utc: datetime) -> Mapping[TriageLevel, datetime]:
        """By level, the time before which its analyses are overdue."""
        waits = {level: wait_s for level, wait_s in self.escalate_s.items() if wait_s}
        return {level: now_utc - timedelta(seconds=wait_s) for level, wait_s in waits.items()}

    def aged_before(self, now_utc: datetime) -> datetime | None:
        """The time before which what came has risen; None where nothing rises."""
        return now_utc - timedelta(seconds=self.age_up_s) if self.age_up_s else None

    def is_behind(self, waiting_since_utc: datetime | None, now_utc: datetime) -> bool:
        """Whether the series that waits longest for its analysis waits too long."""
        if waiting_since_utc is None or not self.backlog_s:
            return False
        return (now_utc - waiting_since_utc).total_seconds() > self.backlog_s

    def is_overdue(self, level: TriageLevel | None, analysed_utc: datetime | None, now_utc: datetime) -> bool:
        """Whether one series is, which nobody acknowledged."""
        wait_s = self.escalate_s.get(level, 0.0) if level else 0.0
        return bool(wait_s and analysed_utc and (now_utc - analysed_utc).total_seconds() > wait_s)
