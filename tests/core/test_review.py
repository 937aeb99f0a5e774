"""A task to review a study: its name, its priority, and what follows from answers."""

from __future__ import annotations

import pytest
from notices import CRITICAL, NOT_ASSESSED, NOTABLE, UNFLAGGED, URGENT

from millet.core import review
from millet.core.notification import Change
from millet.core.review import Outcome


def test_the_priority_follows_the_level():
    """Three of them, as PS3.3 C.30.2 has; whatever is no flag is the lowest."""
    levels = (NOT_ASSESSED, UNFLAGGED, NOTABLE, URGENT, CRITICAL)
    assert [review.priority(level) for level in levels] == ["LOW", "LOW", "LOW", "MEDIUM", "HIGH"]


def test_every_message_about_a_study_has_a_task_name_of_its_own():
    """By recipient and study, too; always the same, and a valid UID."""
    names = {review.task_uid(who, study, n) for who in "ab" for study in "xy" for n in (1, 2)}
    assert len(names) == 8
    assert names == {review.task_uid(who, study, n) for who in "ab" for study in "xy" for n in (1, 2)}
    assert all(name.startswith("2.25.") and len(name) <= 64 for name in names)


def test_the_newest_task_is_asked_for_first():
    """And there is none before the first message."""
    assert list(review.earlier(4)) == [3, 2, 1]
    assert not review.earlier(1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, None),
        (0x0001, Outcome.DONE),
        (0x0107, Outcome.DONE),
        (0x0116, Outcome.DONE),
        (0x0111, None),
        (0x0112, Outcome.UNKNOWN),
        (0xB304, Outcome.CLOSED),
        (0xC300, Outcome.CLOSED),
        (0xC301, Outcome.CLOSED),
        (0xC307, Outcome.UNKNOWN),
        (0xC309, None),
        (0xC311, Outcome.CLOSED),
        (0xC313, Outcome.CLOSED),
    ],
)
def test_a_status_says_whether_there_is_a_task_that_can_be_changed(status, outcome):
    """What any service may answer says nothing of it."""
    assert review.of_dimse(status) is outcome


@pytest.mark.parametrize(
    ("change", "outcome", "expected"),
    [
        (Change.RAISED, Outcome.DONE, False),
        (Change.RAISED, Outcome.CLOSED, True),
        (Change.RAISED, Outcome.UNKNOWN, True),
        (Change.LOWERED, Outcome.DONE, False),
        (Change.LOWERED, Outcome.CLOSED, False),
        (Change.LOWERED, Outcome.UNKNOWN, True),
    ],
)
def test_a_level_that_rose_after_somebody_began_is_a_task_of_its_own(change, outcome, expected):
    """One that fell needs none; a study without a task always gets one."""
    assert review.needs_another(change, outcome) is expected
    assert review.needs_another(change, outcome, others_between=True) is (outcome is not Outcome.DONE)
