"""Reasons in words."""

from millet.core.reasons import Reason, Weight
from millet.core.wording import REASON_TEXT, WEIGHT_TEXT, words


def test_every_reason_and_weight_has_its_own_words():
    """No code reaches a person without words, and no two codes read the same."""
    assert set(REASON_TEXT) == set(Reason)
    assert set(WEIGHT_TEXT) == set(Weight)
    assert len(set(REASON_TEXT.values())) == len(Reason)


def test_a_code_of_a_later_version_stands_for_itself():
    """An unknown code is shown, not swallowed."""
    assert words("gantry-tilt") == "Tilted gantry"
    assert words("later-reason") == "later-reason"
    assert not words("")
