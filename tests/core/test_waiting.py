"""How long a study may wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from millet.core.analysis import TriageLevel
from millet.core.waiting import Patience

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
PATIENCE = Patience(
    escalate_s={TriageLevel.CRITICAL: 900.0, TriageLevel.NOTABLE: 0.0}, age_up_s=3600.0, backlog_s=60.0
)


def test_each_level_is_overdue_after_its_own_time():
    """One whose time is nought never is, nor one that is not named."""
    assert PATIENCE.overdue_before(NOW) == {TriageLevel.CRITICAL: NOW - timedelta(minutes=15)}
    assert Patience().overdue_before(NOW) == {}


@pytest.mark.parametrize(
    ("level", "ago_s", "late"),
    [
        (TriageLevel.CRITICAL, 901, True),
        (TriageLevel.CRITICAL, 900, False),
        (TriageLevel.NOTABLE, 1e6, False),
        (TriageLevel.UNFLAGGED, 1e6, False),
        (None, 1e6, False),
    ],
)
def test_a_series_is_overdue_by_its_level_and_the_time_of_its_analysis(level, ago_s, late):
    """Without an analysis it is not."""
    assert PATIENCE.is_overdue(level, NOW - timedelta(seconds=ago_s), NOW) is late
    assert PATIENCE.is_overdue(level, None, NOW) is False


def test_what_came_before_a_time_has_risen():
    """Nothing rises where no time is set."""
    assert PATIENCE.aged_before(NOW) == NOW - timedelta(hours=1)
    assert Patience().aged_before(NOW) is None


def test_the_service_is_behind_by_the_series_that_waits_longest():
    """And is not where none waits, or where no time is set."""
    assert PATIENCE.is_behind(NOW - timedelta(seconds=61), NOW)
    assert not PATIENCE.is_behind(NOW - timedelta(seconds=60), NOW)
    assert not PATIENCE.is_behind(None, NOW)
    assert not Patience().is_behind(NOW - timedelta(days=9), NOW)
