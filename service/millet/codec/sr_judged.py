"""What criteria, guidelines and a comparison say of the exam, sentence by sentence, thresholds included."""

from __future__ import annotations

from collections.abc import Iterator

from millet.codec import codes
from millet.codec.content import CONTAINS, Pen
from millet.codec.elements import Item
from millet.core import advice_wording, judgement_wording
from millet.core.analysis import Analysis
from millet.core.change import Change, Fate
from millet.core.judgement import Judgement
from millet.core.language import coded
from millet.core.prior import Origin
from millet.core.rounding import percent, ratio
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
        yield pen.text(CONTAINS, codes.COMPARISON, _comparison(analysis.change, pen))


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


def _comparison(change: Change, pen: Pen) -> str:
    if change.not_used:
        words = pen.say("comparison.not-used", why=coded("prior", change.not_used))
        return words + "".join(_unknown(change, pen))
    day, apart = change.prior_date, change.interval_days
    counted = {fate: sum(one.fate is fate for one in change.nodules) for fate in Fate}
    told = tuple(
        pen.say("comparison.count", count=count, fate=coded("fate", fate.value))
        for fate, count in counted.items()
        if count
    )
    return pen.say(
        "comparison",
        series=change.prior_series_uid,
        when=pen.say("comparison.when", day=day.isoformat()) if day else "",
        apart="" if apart is None else pen.say("comparison.apart", days=apart),
        told=told or pen.say("comparison.none"),
        how=pen.say(f"comparison.{change.source}") if change.source in _BY_OTHERS else "",
        more="".join((*_more(change, pen), *_unknown(change, pen))),
    )


def _more(change: Change, pen: Pen) -> Iterator[str]:
    if change.median_volume_change is not None:
        yield pen.say("comparison.median", percent=percent(change.median_volume_change))
    if change.gone_share is not None:
        yield pen.say("comparison.gone", percent=percent(change.gone_share))
    if change.limited:
        yield pen.say("comparison.limited", limits=tuple(coded("limited", one) for one in change.limited))


_BY_OTHERS = frozenset({Origin.IMAGES, Origin.REPORT, Origin.SEGMENTATION})
"""What is told of, as against our own analysis of then."""


def _unknown(change: Change, pen: Pen) -> Iterator[str]:
    """What is not known of the prior, or of others."""
    if change.left_out:
        told = tuple(
            pen.say("comparison.count", count=one.count, fate=coded("left-out", one.reason))
            for one in change.left_out
        )
        yield pen.say("comparison.left-out", told=told)
    if change.archive:
        yield pen.say("comparison.archive", why=coded("prior", change.archive))
