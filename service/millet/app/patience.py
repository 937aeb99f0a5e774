"""How long the levels may wait, as it is configured."""

from __future__ import annotations

from millet.core.analysis import TriageLevel
from millet.core.waiting import Patience
from millet.settings import Settings


def patience(chosen: Settings) -> Patience:
    """For the page and the metrics."""
    return Patience(
        escalate_s={
            TriageLevel.CRITICAL: chosen.escalate_critical_s,
            TriageLevel.URGENT: chosen.escalate_urgent_s,
            TriageLevel.NOTABLE: chosen.escalate_notable_s,
        },
        age_up_s=chosen.age_up_s,
        backlog_s=chosen.backlog_s,
    )
