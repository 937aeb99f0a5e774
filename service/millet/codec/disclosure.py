"""What every object says of itself, in words: that nobody verified it, what made it, what was looked at."""

from __future__ import annotations

from millet.core.analysis import Analysis
from millet.core.language import say

_DIGEST = 12
"""Hex digits of a digest that tell two configurations apart."""


def disclosure(analysis: Analysis) -> tuple[str, ...]:
    """Sentences, the most important first, without patient data."""
    language = analysis.language
    what = analysis.not_assessed or say(language, "not-assessed.nothing")
    return (
        f"{say(language, 'unreviewed')} {say(language, 'statement')}",
        _made_by(analysis),
        _looked_at(analysis),
        say(language, "not-assessed", what=what),
    )


def _made_by(analysis: Analysis) -> str:
    """Software, model, criteria and configuration."""
    made_by, language = analysis.provenance, analysis.language
    sets = {f"{one.criteria} {one.version}" for one in analysis.judgements}
    if analysis.pattern and not sets:
        sets = {say(language, "made-by.pattern", version=analysis.pattern.criteria_version)}
    none = say(language, "none")
    return say(
        language,
        "made-by",
        software=made_by.software_version,
        model=made_by.model_name,
        version=made_by.model_version,
        sets=tuple(sorted(sets)) or none,
        configuration=made_by.configuration_digest[:_DIGEST] or none,
    )


def _looked_at(analysis: Analysis) -> str:
    lungs, language = analysis.lungs, analysis.language
    if lungs is None:
        return say(language, "lungs.none")
    return say(language, "lungs", total=lungs.total_l, right=lungs.right_l, left=lungs.left_l)
