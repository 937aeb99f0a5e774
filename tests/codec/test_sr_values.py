from dataclasses import replace

import pytest
from characters import change, characterised

from millet.codec import sr_values
from millet.codec.content import pen_for
from millet.core.character import Zone
from millet.core.language import PHRASES, Language


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("number", range(1, 12))
def test_what_is_said_in_words_is_read_back(number, language):
    """Every number and every mark, whatever the nodule is like, in whichever language it was told."""
    found = characterised(12)[number]
    changed = change([found]).nodules[0]
    numbers, marks = sr_values.from_words(sr_values.in_words(found.character, changed, (), language))
    assert numbers == dict(sr_values.numbers(found.character, changed))
    assert marks == list(sr_values.marks(found.character, changed))


def test_what_is_not_known_is_left_out():
    """None is no number: neither written nor read as nought."""
    known = replace(characterised(1)[0].character, fissure_mm=None, probability=None, core_mm=None)
    words = sr_values.in_words(known, None)
    assert not [word for word in ("fissure", "probability", "core", "since prior") if word in words]


def test_nothing_known_says_nothing():
    """An analysis from before characters were measured."""
    assert sr_values.in_words(None, None) == ""
    assert list(sr_values.coded(None, None, pen_for())) == []


@pytest.mark.parametrize(
    "text", ["", "; ; ", "long axis", "long axis much mm", "p95 1e5 HU", "mass 4 mm", "x" * 9999]
)
def test_other_words_are_passed_over(text):
    """A text that is not ours reads as nothing, never as an error."""
    assert sr_values.from_words(text) == ({}, [])


@pytest.mark.parametrize("language", Language)
def test_words_are_told_apart(language):
    """No two fields and no two marks share their words, nor do those of two languages mean two things."""
    told = PHRASES[language]
    words = [told[one.key] for one in (*sr_values.FIELDS, *sr_values.MARKS)]
    assert len(set(words)) == len(words)
    assert len({told[mark.key] for mark in sr_values.ZONES.values()}) == len(Zone)
    for other in set(Language) - {language}:
        shared = [
            one.key for one in (*sr_values.FIELDS, *sr_values.MARKS) if PHRASES[other][one.key] in words
        ]
        assert all(PHRASES[other][key] == told[key] for key in shared)
