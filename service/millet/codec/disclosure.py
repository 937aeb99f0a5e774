"""What every object says of itself, in words: that nobody verified it, what made it, what was looked at."""

from __future__ import annotations

from millet.codec.document import STATEMENT
from millet.core.analysis import Analysis

UNREVIEWED = "AI result, not reviewed by a person."
_DIGEST = 12
"""Hex digits of a digest that tell two configurations apart."""


def disclosure(analysis: Analysis) -> tuple[str, ...]:
    """Sentences, the most important first, without patient data."""
    return (
        f"{UNREVIEWED} {STATEMENT}",
        _made_by(analysis),
        _looked_at(analysis),
        f"Not assessed: {', '.join(analysis.not_assessed) or 'nothing stated'}.",
    )


def calibrated_on(analysis: Analysis) -> tuple[str, ...]:
    """What the probabilities mean, for objects that tell them; nothing where no nodule has one."""
    known = analysis.provenance.calibration
    return (f"Probabilities and certainties: {known[:1].lower()}{known[1:]}",) if known else ()


def _made_by(analysis: Analysis) -> str:
    """Software, model, criteria and configuration."""
    made_by = analysis.provenance
    sets = {f"{one.criteria} {one.version}" for one in analysis.judgements}
    if analysis.pattern and not sets:
        sets = {f"pattern {analysis.pattern.criteria_version}"}
    return (
        f"Millet {made_by.software_version}, model {made_by.model_name} {made_by.model_version}, "
        f"criteria {', '.join(sorted(sets)) or 'none'}, "
        f"configuration {made_by.configuration_digest[:_DIGEST] or 'none'}."
    )


def _looked_at(analysis: Analysis) -> str:
    if analysis.lungs is None:
        return "No lung was analysed."
    lungs = analysis.lungs
    return f"Lungs analysed: {lungs.total_l:.2f} l (right {lungs.right_l:.2f}, left {lungs.left_l:.2f})."
