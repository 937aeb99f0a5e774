"""What changed since a prior, in words: the same in every report."""

from __future__ import annotations

from collections.abc import Iterator

from millet.core.change import Change, Fate
from millet.core.language import Language, coded, say
from millet.core.prior import Origin
from millet.core.rounding import percent

_BY_OTHERS = frozenset({Origin.IMAGES, Origin.REPORT, Origin.SEGMENTATION})
"""What is told of, as against our own analysis of then."""


def said(change: Change, language: Language) -> str:
    """The whole comparison, or why there is none."""
    if change.not_used:
        words = say(language, "comparison.not-used", why=coded("prior", change.not_used))
        return words + "".join(_unknown(change, language))
    day, apart = change.prior_date, change.interval_days
    counted = {fate: sum(one.fate is fate for one in change.nodules) for fate in Fate}
    told = tuple(
        say(language, "comparison.count", count=count, fate=coded("fate", fate.value))
        for fate, count in counted.items()
        if count
    )
    return say(
        language,
        "comparison",
        series=change.prior_series_uid,
        when=say(language, "comparison.when", day=day.isoformat()) if day else "",
        apart="" if apart is None else say(language, "comparison.apart", days=apart),
        told=told or say(language, "comparison.none"),
        how=say(language, f"comparison.{change.source}") if change.source in _BY_OTHERS else "",
        more="".join((*_more(change, language), *_unknown(change, language))),
    )


def _more(change: Change, language: Language) -> Iterator[str]:
    if change.median_volume_change is not None:
        yield say(language, "comparison.median", percent=percent(change.median_volume_change))
    if change.gone_share is not None:
        yield say(language, "comparison.gone", percent=percent(change.gone_share))
    if change.limited:
        yield say(
            language, "comparison.limited", limits=tuple(coded("limited", one) for one in change.limited)
        )


def _unknown(change: Change, language: Language) -> Iterator[str]:
    """What is not known of the prior, or of others."""
    if change.left_out:
        told = tuple(
            say(language, "comparison.count", count=one.count, fate=coded("left-out", one.reason))
            for one in change.left_out
        )
        yield say(language, "comparison.left-out", told=told)
    if change.archive:
        yield say(language, "comparison.archive", why=coded("prior", change.archive))
