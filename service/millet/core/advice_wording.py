"""The codes of advice in words: the same for every report and page.

No text calls anything low in risk, normal or negative. What applies to everybody and what depends on risk
factors is told in one sentence, since nobody tells us the factors.
"""

from __future__ import annotations

from millet.core.advice import Advice
from millet.core.language import Language, named, say
from millet.core.rounding import percent

LEAST_SHOWN = 0.001


def words(code: str, language: Language = Language.ENGLISH) -> str:
    """A code in words; one that this version does not know stands for itself, as does Lung-RADS' "4B"."""
    return named(language, "advice", code)


def sentence(advice: Advice, language: Language = Language.ENGLISH) -> str:
    """One line of a report, the guideline's name first."""
    return f"{words(advice.guideline, language)}: {said(advice, language)}"


def said(advice: Advice, language: Language = Language.ENGLISH) -> str:
    """What a guideline says, and what it took for granted; or why it does not apply."""
    if not advice.applies:
        return say(language, "guideline.declined", why=_all(advice.why_not, language))
    parts = [words(advice.category, language)] if advice.category else []
    if advice.probability is not None:
        parts.append(shown(advice.probability, language))
    if advice.nodule is not None:
        parts.append(say(language, "guideline.nodule", number=advice.nodule))
    if advice.management:
        parts.append(words(advice.management, language))
    assumed = (
        say(language, "guideline.assuming", told=_all(advice.assumes, language)) if advice.assumes else ""
    )
    return say(language, "guideline.said", told=tuple(parts), assumed=assumed)


def shown(probability: float, language: Language = Language.ENGLISH) -> str:
    """A probability by the rounding rule; what that rule would call nought is "under 0.1 %"."""
    if probability < LEAST_SHOWN:
        return say(language, "guideline.least")
    return say(language, "guideline.percent", percent=percent(probability))


def _all(codes: tuple[str, ...], language: Language) -> tuple[str, ...]:
    return tuple(words(code, language) for code in codes)
