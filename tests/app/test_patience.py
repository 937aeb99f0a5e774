"""How long the levels may wait, as it is configured."""

from __future__ import annotations

from millet.app.patience import patience
from millet.core.analysis import TriageLevel
from millet.settings import Settings


def test_the_settings_are_the_patience_of_the_page():
    """By level; what is not to be escalated by itself never is."""
    made = patience(Settings(escalate_urgent_s=7.0, age_up_s=8.0, backlog_s=9.0))
    assert made.escalate_s == {
        TriageLevel.CRITICAL: 900.0,
        TriageLevel.URGENT: 7.0,
        TriageLevel.NOTABLE: 0.0,
    }
    assert (made.age_up_s, made.backlog_s) == (8.0, 9.0)
