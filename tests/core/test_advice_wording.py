"""Advice in words."""

from __future__ import annotations

import pytest
from golden_advice import cases, exam_of

from millet.core import brock
from millet.core.advice import Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.advice_wording import sentence, shown, words
from millet.core.guidelines import advise
from millet.core.language import PHRASES, Language


def _told(language):
    """The words of each code."""
    return {
        key.removeprefix("advice."): text
        for key, text in PHRASES[language].items()
        if key.startswith("advice.")
    }


@pytest.mark.parametrize("language", Language)
def test_every_code_has_words(language):
    """No code reaches a person without them; Lung-RADS categories are words themselves."""
    texts = set(_told(language))
    codes = {*Guideline, *WhyNot, *Assumption, *Management}
    assert codes <= texts
    said = [one for case in cases() for one in advise(case.exam) if one.guideline is not Guideline.LUNG_RADS]
    assert {one.category for one in said if one.category} <= texts
    assert texts - codes <= {one.category for one in said}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    "word",
    [
        *("low risk", "low-risk", "normal", "negative", "benign appearance", "reassur"),
        *("geringes risiko", "niedriges risiko", "unauffällig", "negativ", "unbedenklich"),
    ],
)
def test_no_text_lets_a_reader_rest(language, word):
    """None of the words that a computed text may not use."""
    assert not [text for text in _told(language).values() if word in text.lower()]


def test_a_code_of_a_later_version_stands_for_itself():
    """An unknown code is shown, not swallowed."""
    assert words("later") == "later"
    assert words("4B") == "4B"


def test_a_sentence_says_what_it_assumes_and_why_it_does_not_apply():
    """One line of a report."""
    given, declined = (brock.judge(exam_of("solid 10", words)) for words in ("family=?", "level=1"))
    assert sentence(given).endswith("5.4 %; nodule 1. Assuming no family history of lung cancer.")
    assert sentence(declined).endswith("does not apply (a miliary pattern, possible or more).")
    german = sentence(given, Language.GERMAN)
    assert german.endswith("5,4 %; Rundherd 1. Angenommen: keine Familienanamnese für Lungenkrebs.")
    assert sentence(declined, Language.GERMAN).endswith(
        "nicht anwendbar (miliares Muster, mindestens möglich)."
    )


@pytest.mark.parametrize(
    ("probability", "told"),
    [(0.0495, "5 %"), (0.0484, "4.8 %"), (0.001, "0.1 %"), (0.0009, "under 0.1 %"), (0.447, "44.7 %")],
)
def test_a_percentage_is_never_nought(probability, told):
    """To a tenth of a per cent."""
    assert shown(probability) == told
