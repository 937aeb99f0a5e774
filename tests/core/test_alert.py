from __future__ import annotations

import pytest

from millet.core.alert import TriageChange, triage_changed
from millet.core.analysis import TriageLevel

NOT_ASSESSED, UNFLAGGED, NOTABLE, _, CRITICAL = TriageLevel


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (UNFLAGGED, CRITICAL, True),
        (CRITICAL, UNFLAGGED, True),
        (NOT_ASSESSED, NOTABLE, True),
        (NOTABLE, NOT_ASSESSED, True),
        (NOTABLE, NOTABLE, False),
        (None, CRITICAL, False),
    ],
)
def test_a_level_that_moved_is_told(before, after, told):
    """Up, down, to and from "not assessed"; neither a first generation nor the same level again."""
    assert triage_changed(before, after) == (TriageChange(before=before, after=after) if told else None)
