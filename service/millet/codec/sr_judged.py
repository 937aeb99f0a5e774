"""What criteria, guidelines and a comparison say of the exam, sentence by sentence, thresholds included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from millet.codec import codes
from millet.codec.content import CONTAINS, code, text
from millet.codec.elements import Item
from millet.core.advice_wording import said
from millet.core.analysis import Analysis
from millet.core.change import Change, Fate
from millet.core.judgement import Condition, Judgement
from millet.core.prior import Origin
from millet.core.rounding import percent, ratio, written
from millet.core.spread import Randomness, Spread


def judged(analysis: Analysis) -> Iterator[Item]:
    """All of them, each where there is one."""
    for judgement in analysis.judgements:
        yield from _judgement(judgement)
    for advice in analysis.advice:
        yield text(CONTAINS, codes.GUIDELINES[advice.guideline], said(advice))
    if analysis.spread:
        yield from _spread(analysis.spread)
    if analysis.change:
        yield text(CONTAINS, codes.COMPARISON, _comparison(analysis.change))


def _judgement(found: Judgement) -> Iterator[Item]:
    name = f"{found.criteria} {found.version} ({found.organ}; {found.standing.value}: {found.source})"
    if found.not_evaluated:
        yield text(CONTAINS, codes.CRITERIA, f"{name}: not evaluated, {found.not_evaluated}.")
        return
    yield text(CONTAINS, codes.CRITERIA, f"{name}: level {found.level}, {found.meaning}.")
    for condition in found.conditions:
        yield text(CONTAINS, codes.CONDITION, f"{found.criteria} {found.version}: {_condition(condition)}")


def _condition(asked: Condition) -> str:
    observed = "not evaluated" if asked.observed is None else written(ratio(asked.observed))
    limit = written(ratio(asked.threshold))
    if asked.upper is not None:
        limit += f" and {written(ratio(asked.upper))}"
    verdict = "holds" if asked.holds else "does not hold"
    return f"{asked.name} {observed}, asked {asked.relation} {limit}: {verdict} ({asked.standing.value})"


def _spread(spread: Spread) -> Iterator[Item]:
    yield code(CONTAINS, codes.DISTRIBUTION, codes.DISTRIBUTIONS[spread.distribution])
    for hint in spread.hints:
        yield code(CONTAINS, codes.HINT, codes.HINTS[hint])
    if spread.randomness and spread.randomness.ripley:
        yield text(CONTAINS, codes.RIPLEY, _ripley(spread.randomness))


def _ripley(found: Randomness) -> str:
    radii = [
        f"r {written(ratio(at.radius_mm))} mm: {written(ratio(at.observed_mm))} "
        f"({written(ratio(at.low_mm))} to {written(ratio(at.high_mm))})"
        for at in found.ripley
    ]
    return f"L(r) - r in mm, and between what {found.simulations} random patterns lie: {'; '.join(radii)}."


def _comparison(change: Change) -> str:
    if change.not_used:
        return f"Prior not used, because: {change.not_used}.{_left_out(change)}{_archive(change)}"
    when = f" of {change.prior_date.isoformat()}" if change.prior_date else ""
    apart = "" if change.interval_days is None else f", {change.interval_days} days before"
    counted = {fate: sum(one.fate is fate for one in change.nodules) for fate in Fate}
    said = [f"{count} {fate.value}" for fate, count in counted.items() if count] or ["no nodules in either"]
    by = _READ.get(change.source, "")
    words = f"Compared with series {change.prior_series_uid}{when}{apart}{by}: {', '.join(said)}."
    if change.median_volume_change is not None:
        words += f" Median change of volume {written(percent(change.median_volume_change))} %."
    if change.gone_share is not None:
        words += f" Share gone {written(percent(change.gone_share))} %."
    if change.limited:
        words += f" Comparison limited: {', '.join(change.limited)}; nothing is called new or gone."
    return words + _left_out(change) + _archive(change)


_READ: Mapping[str, str] = {
    Origin.IMAGES: ", its images read again by this model",
    Origin.REPORT: ", read by another, from its report",
    Origin.SEGMENTATION: ", read by another, from its segmentation",
}
"""How the prior is known, where it is not our own analysis of then."""


def _left_out(change: Change) -> str:
    told = ", ".join(f"{one.count} {one.reason}" for one in change.left_out)
    return f" Of the prior's lesions left out: {told}." if told else ""


def _archive(change: Change) -> str:
    return f" Whether archives hold another prior is not known: {change.archive}." if change.archive else ""
