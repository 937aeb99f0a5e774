"""The languages of what people read, and how a thing is said in each of them.

Theory of operation. A phrase is a key and the values that go into it; each language has a table from keys to
templates (`core.phrases_en`, `core.phrases_de`). What the rules say deep inside is a `Phrase`: text in
English, as errors and logs have it, that remembers how it was made. So a rule knows no language, and a
report says the phrase again in its own (`said`). Text that is no phrase (a site's own criteria, a kernel's
name) stays as it is.

In a template a number without a format is written by the rounding rule, a tuple as a list, apart by what
stands behind the colon, else by commas. Decimals in prose have the mark of their language; coded numbers are
none of this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from millet.core import (
    phrases_de,
    phrases_de_codes,
    phrases_de_page,
    phrases_en,
    phrases_en_codes,
    phrases_en_page,
)
from millet.core.rounding import written


class Language(StrEnum):
    """The value is its tag (BCP 47)."""

    ENGLISH = "en"
    GERMAN = "de"


PHRASES: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        Language.ENGLISH: {**phrases_en.PHRASES, **phrases_en_codes.PHRASES, **phrases_en_page.PHRASES},
        Language.GERMAN: {**phrases_de.PHRASES, **phrases_de_codes.PHRASES, **phrases_de_page.PHRASES},
    }
)
"""A template by key, language by language; a test holds them to each other."""
DECIMAL_MARKS = {Language.ENGLISH: ".", Language.GERMAN: ","}


class Phrase(str):
    """A text in English that can be said in any language."""

    __slots__ = ("key", "parts")
    key: str
    parts: Mapping[str, object]


def phrase(key: str, /, **parts: object) -> Phrase:
    """What is said under a key, with its values; KeyError for a key that is none."""
    made = Phrase(say(Language.ENGLISH, key, **parts))
    made.key, made.parts = key, parts
    return made


def coded(kind: str, code: str) -> Phrase:
    """A stable code: English reports tell it as it is, others in words where they have any."""
    made = Phrase(code)
    made.key, made.parts = f"{kind}.{code}", {}
    return made


def listed(texts: tuple[str, ...], apart: str = "joined") -> str:
    """Several as one, by a template for `told`; nothing of nothing."""
    return phrase(apart, told=texts) if texts else ""


def say(language: Language, key: str, /, **parts: object) -> str:
    """A phrase in a language."""
    template = PHRASES[language][key]
    return _SPEECH[language].vformat(template, (), parts) if parts else template


def said(text: str, language: Language) -> str:
    """A text in a language, as far as it is a phrase."""
    if language is Language.ENGLISH or not isinstance(text, Phrase):
        return str(text)
    if text.key not in PHRASES[language]:
        return str(text)
    return say(language, text.key, **text.parts)


def named(language: Language, kind: str, code: str) -> str:
    """A code in words; one that has none in this language, or that is unknown, stands for itself."""
    return PHRASES[language].get(f"{kind}.{code}", code)


def spelled(value: float, language: Language) -> str:
    """A rounded number in prose."""
    return written(value).replace(".", DECIMAL_MARKS[language])


class _Speech(Formatter):
    """Templates filled in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: object, format_spec: str) -> str:
        match value:
            case Phrase():
                return said(value, self._language)
            case tuple():
                return (format_spec or ", ").join(self.format_field(one, "") for one in value)
            case float() if format_spec:
                return format(value, format_spec).replace(".", DECIMAL_MARKS[self._language])
            case float():
                return spelled(value, self._language)
            case _:
                return format(value, format_spec)


_SPEECH = {language: _Speech(language) for language in Language}
