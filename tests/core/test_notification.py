"""What a recipient is told of a study, and what waits for a digest."""

from __future__ import annotations

import pytest
from notices import CRITICAL, NOT_ASSESSED, NOTABLE, UNFLAGGED, URGENT, news, standing

from millet.core import notification
from millet.core.analysis import TriageLevel
from millet.core.language import Language, listed, phrase
from millet.core.notification import LEVELS, Change, Ground, grounds, highest, plan, reference


def test_a_study_is_as_urgent_as_its_most_urgent_series():
    """Whatever their order; a series that was not assessed lowers nothing."""
    assert highest([UNFLAGGED, URGENT, NOT_ASSESSED, NOTABLE]) is URGENT


@pytest.mark.parametrize(
    ("before", "now", "least", "change"),
    [
        (None, URGENT, URGENT, Change.RAISED),
        (None, CRITICAL, URGENT, Change.RAISED),
        (None, NOTABLE, URGENT, None),
        (None, NOT_ASSESSED, NOTABLE, None),
        (URGENT, URGENT, URGENT, None),
        (URGENT, CRITICAL, URGENT, Change.RAISED),
        (CRITICAL, URGENT, URGENT, Change.LOWERED),
        (CRITICAL, NOTABLE, URGENT, Change.WITHDRAWN),
        (URGENT, UNFLAGGED, URGENT, Change.WITHDRAWN),
        (URGENT, NOT_ASSESSED, NOTABLE, Change.WITHDRAWN),
        (NOTABLE, UNFLAGGED, CRITICAL, Change.WITHDRAWN),
        (NOTABLE, NOTABLE, CRITICAL, None),
    ],
)
def test_what_is_told_is_the_difference_to_what_was_told(before, now, least, change):
    """Whoever heard of a level hears of its end, even if it asks for higher ones by now."""
    told = notification.news(standing(now, before), least)
    assert (told and told.change) == change
    if told is not None:
        assert told.told_level is (None if change is Change.WITHDRAWN else now)


@pytest.mark.parametrize("least", LEVELS)
def test_any_row_of_levels_ends_with_recipients_that_know_what_is_so(least):
    """Over all ways of three steps: after each, the level last told is the study's, or both are below."""
    for row in ((a, b, c) for a in TriageLevel for b in TriageLevel for c in TriageLevel):
        knows = None
        for level in row:
            told = notification.news(standing(level, knows), least)
            knows = knows if told is None else told.told_level
            reached = list(TriageLevel).index(level) >= list(TriageLevel).index(least)
            assert knows is (level if reached else None), row


def several(count, level=URGENT):
    """News of as many studies."""
    return [news(level, Change.RAISED, study=f"1.2.{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("count", "sent", "single", "digest", "held"),
    [(3, 0, 3, 0, 0), (3, 2, 0, 3, 0), (5, 1, 1, 4, 0), (4, 3, 0, 0, 4), (1, 2, 1, 0, 0), (1, 9, 0, 0, 1)],
)
def test_what_is_over_the_ceiling_comes_in_one_digest_or_waits(count, sent, single, digest, held):
    """With three messages an hour: no hour has more, and nothing is lost."""
    known = several(count)
    planned = plan(known, sent, 3)
    assert [len(planned.single), len(planned.digest), len(planned.held)] == [single, digest, held]
    assert [*planned.single, *planned.digest, *planned.held] == known


@pytest.mark.parametrize(("now", "before"), [(CRITICAL, None), (URGENT, CRITICAL), (UNFLAGGED, CRITICAL)])
def test_the_highest_level_waits_for_no_room(now, before):
    """Reached or left, it is told at once and by itself, ahead of the others, which keep their own room."""
    known = [*several(4), *(news(now, Change.LOWERED, before, study=f"1.9.{n}") for n in range(30))]
    planned = plan(known, 3, 3)
    assert list(planned.single) == known[4:]
    assert list(planned.held) == known[:4]


def test_reasons_have_codes_and_words_of_a_language():
    """A list has the code of its first; a text that is no phrase has none."""
    effusion = phrase("triage.effusion", side=phrase("side.left"), ml=300.0)
    reasons = [phrase("count.nodules", count=9), listed((effusion, effusion)), "by a site's own rule"]
    found = grounds(reasons, Language.GERMAN)
    assert [ground.code for ground in found] == ["count.nodules", "triage.effusion", ""]
    assert found[0] == Ground(code="count.nodules", words="9 Rundherde")
    assert found[2].words == "by a site's own rule"


def test_a_reference_is_of_one_study_and_says_nothing_of_it():
    """The same each time, another one for another study or site."""
    assert reference("a", "1.2.3") == reference("a", "1.2.3")
    assert len({reference("a", "1.2.3"), reference("b", "1.2.3"), reference("a", "1.2.4")}) == 3
    assert len(reference("a", "1.2.3")) == 12
