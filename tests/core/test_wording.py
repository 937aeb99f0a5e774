"""Reasons in words."""

import pytest

from millet.core.language import PHRASES, Language
from millet.core.reasons import Reason, Weight
from millet.core.wording import words


@pytest.mark.parametrize("language", Language)
def test_every_reason_and_weight_has_its_own_words(language):
    """No code reaches a person without words, and no two codes read the same."""
    told = {key: text for key, text in PHRASES[language].items() if key.startswith(("reason.", "weight."))}
    assert set(told) == {*(f"reason.{one}" for one in Reason), *(f"weight.{one}" for one in Weight)}
    assert len(set(told.values())) == len(told)


def test_a_code_of_a_later_version_stands_for_itself():
    """An unknown code is shown, not swallowed."""
    assert words("gantry-tilt") == "Tilted gantry"
    assert words("gantry-tilt", Language.GERMAN) == "Gekippte Gantry"
    assert words("later-reason") == "later-reason"
    assert not words("")
