from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from millet.core.retention import SegmentFacts, removable

NOW_UTC = datetime(2026, 3, 1, tzinfo=UTC)
KEEP = timedelta(days=30)
DONE = SegmentFacts(
    name="a", closed=True, indexed=True, unfinished=0, last_utc=NOW_UTC - timedelta(days=30, seconds=1)
)


def test_what_is_done_for_long_may_go_the_oldest_first():
    """Done for longer than it is kept."""
    older = replace(DONE, name="z", last_utc=NOW_UTC - timedelta(days=300))
    assert list(removable([DONE, older], NOW_UTC, KEEP)) == ["z", "a"]


@pytest.mark.parametrize(
    "facts",
    [
        {"closed": False},
        {"indexed": False},
        {"unfinished": 1},
        {"last_utc": NOW_UTC - KEEP},
        {"last_utc": None},
        {"last_utc": NOW_UTC + timedelta(days=400)},
    ],
    ids=str,
)
def test_everything_else_stays(facts):
    """Appended to, not journalled, not done, not done for long, nobody knows of what, or in the future."""
    assert list(removable([replace(DONE, **facts)], NOW_UTC, KEEP)) == []
