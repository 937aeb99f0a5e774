"""What a judgement says, in words: the same in every report, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from millet.core.judgement import Condition, Judgement
from millet.core.language import Language, coded, say, spelled
from millet.core.rounding import ratio


def verdict(found: Judgement, language: Language = Language.ENGLISH) -> str:
    """The level, or why there is none; where only higher levels are not known, both."""
    known: dict[str, object] = {
        "criteria": found.criteria,
        "version": found.version,
        "organ": coded("organ", found.organ),
        "standing": coded("standing", found.standing.value),
        "source": found.source,
    }
    if not found.not_evaluated:
        return say(language, "criteria", **known, level=found.level, meaning=found.meaning)
    if not found.level:
        return say(language, "criteria.not-evaluated", **known, why=found.not_evaluated)
    reached: dict[str, object] = {"level": found.level, "meaning": found.meaning}
    return say(language, "criteria.partly", **known, **reached, why=found.not_evaluated)


def conditions(found: Judgement, language: Language = Language.ENGLISH) -> Iterator[str]:
    """A sentence for each condition, its threshold included."""
    return (_condition(found, condition, language) for condition in found.conditions)


def _condition(of: Judgement, asked: Condition, language: Language) -> str:
    observed, limit = asked.observed, spelled(ratio(asked.threshold), language)
    if asked.upper is not None:
        limit = say(language, "condition.both", low=limit, high=ratio(asked.upper))
    return say(
        language,
        "condition",
        criteria=of.criteria,
        version=of.version,
        name=coded("condition", asked.name),
        observed=say(language, "condition.not-evaluated") if observed is None else ratio(observed),
        relation=coded("relation", asked.relation),
        limit=limit,
        verdict=say(language, "condition.holds" if asked.holds else "condition.fails"),
        standing=coded("standing", asked.standing.value),
    )
