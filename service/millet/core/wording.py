"""Coded reasons in words, for people: gRPC, the page and the report say them the same way."""

from __future__ import annotations

from millet.core.language import Language, named


def words(reason_code: str, language: Language = Language.ENGLISH) -> str:
    """A reason's code in words; a code that this version does not know stands for itself."""
    return named(language, "reason", reason_code)
