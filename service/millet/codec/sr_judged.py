"""What criteria, guidelines and a comparison say of the exam, sentence by sentence, thresholds included."""

from __future__ import annotations

from collections.abc import Iterator

from millet.codec import codes
from millet.codec.content import CONTAINS, Pen
from millet.codec.elements import Item
from millet.core import advice_wording, comparison_wording, judgement_wording
from millet.core.analysis import Analysis
from millet.core.judgement import Judgement
from millet.core.rounding import ratio
from millet.core.spread import Randomness, Spread


def judged(analysis: Analysis, pen: Pen) -> Iterator[Item]:
    """All of them, each where there is one."""
    for judgement in analysis.judgements:
        yield from criteria(judgement, pen)
    for advice in analysis.advice:
        yield pen.text(
            CONTAINS, codes.GUIDELINES[advice.guideline], advice_wording.said(advice, pen.language)
        )
    if analysis.spread:
        yield from _spread(analysis.spread, pen)
    if analysis.change:
        words = comparison_wording.said(analysis.change, pen.language)
        yield pen.text(CONTAINS, codes.COMPARISON, words)


def criteria(found: Judgement, pen: Pen) -> Iterator[Item]:
    """What one set says, and every condition of it."""
    yield pen.text(CONTAINS, codes.CRITERIA, judgement_wording.verdict(found, pen.language))
    for words in judgement_wording.conditions(found, pen.language):
        yield pen.text(CONTAINS, codes.CONDITION, words)


def _spread(spread: Spread, pen: Pen) -> Iterator[Item]:
    yield pen.code(CONTAINS, codes.DISTRIBUTION, codes.DISTRIBUTIONS[spread.distribution])
    for hint in spread.hints:
        yield pen.code(CONTAINS, codes.HINT, codes.HINTS[hint])
    if spread.randomness and spread.randomness.ripley:
        yield pen.text(CONTAINS, codes.RIPLEY, _ripley(spread.randomness, pen))


def _ripley(found: Randomness, pen: Pen) -> str:
    radii = tuple(
        pen.say(
            "ripley.radius",
            radius=ratio(at.radius_mm),
            observed=ratio(at.observed_mm),
            low=ratio(at.low_mm),
            high=ratio(at.high_mm),
        )
        for at in found.ripley
    )
    return pen.say("ripley", simulations=found.simulations, told=radii)
