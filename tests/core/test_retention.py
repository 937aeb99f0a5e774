from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from millet.core.media import is_instance, is_sent
from millet.core.retention import BRIEF, LARGE, AnalysisFacts, SegmentFacts, removable, spent

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


MADE = AnalysisFacts(
    analysis_id=7, unfinished=False, passing=False, last_utc=NOW_UTC - KEEP - timedelta(seconds=1)
)


def test_large_objects_go_the_longest_done_first():
    """Of analyses that are done for longer than their objects are kept."""
    older = replace(MADE, analysis_id=9, last_utc=NOW_UTC - 10 * KEEP)
    assert list(spent([MADE, older], NOW_UTC, KEEP)) == [9, 7]


@pytest.mark.parametrize(
    "facts",
    [{"unfinished": True}, {"last_utc": NOW_UTC - KEEP}, {"last_utc": NOW_UTC + KEEP}],
    ids=str,
)
def test_large_objects_that_are_needed_stay(facts):
    """Not done, not done for long, or in the future."""
    assert list(spent([replace(MADE, **facts)], NOW_UTC, KEEP)) == []


def test_what_is_unfinished_stays_though_it_passes():
    """A dead letter of an analysis that was replaced may be replayed."""
    assert list(spent([replace(MADE, unfinished=True, passing=True)], NOW_UTC, KEEP)) == []


@pytest.mark.parametrize(
    ("keep", "after", "goes"),
    [
        (KEEP, BRIEF + timedelta(seconds=1), True),
        (KEEP, BRIEF, False),
        (BRIEF / 4, BRIEF / 3, True),
        (BRIEF / 4, BRIEF / 5, False),
    ],
)
def test_what_passes_goes_after_a_day_or_sooner_where_all_do(keep, after, goes):
    """What was replaced, and the canary's, is never kept for longer than the others."""
    passing = replace(MADE, passing=True, last_utc=NOW_UTC - after)
    assert bool(spent([passing], NOW_UTC, keep)) == goes


@pytest.mark.parametrize("kind", LARGE)
def test_only_what_others_have_is_large(kind):
    """DICOM instances, which bear a UID that no other object has, and which destinations are sent."""
    assert is_instance(kind)
    assert is_sent(kind)
