"""What a report says of the exam as a whole (TID 1500, rows 12 to 14), in codes and in sentences.

It is there always, so that "none found" and "not analysed, because ..." are reports like any other. Every
one says that it is unverified, what made it, by which criteria, how much lung was looked at and what was not
assessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC

from millet.codec import codes, sr_judged
from millet.codec.content import CONTAINS, Pen
from millet.codec.elements import Item
from millet.core.analysis import (
    Analysis,
    Lungs,
    Outcome,
    Pattern,
    Provenance,
    Reliability,
)
from millet.core.language import coded, said
from millet.core.nodule import NoduleClass
from millet.core.reasons import Reason, Remark
from millet.core.rounding import volume_l

MILIARY_FROM = 2
"""LMP level from which reports name the miliary pattern as a finding where the answer was not asked for."""


def evaluations(analysis: Analysis, pen: Pen, more: Sequence[Item] = ()) -> Item:
    """The container of all of them; `more` is what one kind of report says besides."""
    triage = analysis.triage
    return pen.container(
        codes.EVALUATIONS,
        [
            pen.text(CONTAINS, codes.COMMENT, f"{pen.say('statement')} {pen.say('unreviewed')}"),
            pen.code(CONTAINS, codes.SUMMARY, codes.OUTCOMES[analysis.outcome]),
            pen.text(CONTAINS, codes.COMPLETENESS, _completeness(analysis, pen)),
            *_count(analysis, pen),
            pen.code(CONTAINS, codes.TRIAGE, codes.TRIAGE_LEVELS[triage.level]),
            *(pen.text(CONTAINS, codes.TRIAGE_REASON, reason) for reason in triage.reasons if reason),
            *_pattern(analysis.pattern, pen),
            *(item for remark in analysis.remarks for item in _remark(remark, pen)),
            *(pen.text(CONTAINS, codes.NOT_ASSESSED, words) for words in analysis.not_assessed if words),
            *_lungs(analysis.lungs, pen),
            *_volumes(analysis, pen),
            *sr_judged.judged(analysis, pen),
            *more,
            *_calibration(analysis.provenance, pen),
            *_provenance(analysis.provenance, pen),
            pen.text(CONTAINS, codes.CREATED, analysis.created_utc.astimezone(UTC).isoformat()),
        ],
    )


def _completeness(analysis: Analysis, pen: Pen) -> str:
    if analysis.outcome is Outcome.NOT_ANALYSED:
        reason = said(coded("reason", analysis.reason_code), pen.language)
        return pen.say("completeness.refused", reason=reason)
    if not analysis.nodules:
        return pen.say("completeness.none")
    masses = sum(nodule.nodule_class is NoduleClass.MASS for nodule in analysis.nodules)
    found = pen.say("completeness.found", nodules=len(analysis.nodules) - masses, masses=masses)
    capped = any(remark.reason is Reason.COUNT_LIMIT_REACHED for remark in analysis.remarks)
    return pen.say("completeness.limit" if capped else "completeness", found=found)


def _count(analysis: Analysis, pen: Pen) -> Iterator[Item]:
    """Whether the number of nodules is to be relied on; nothing of a series that was not analysed."""
    if analysis.outcome is Outcome.NOT_ANALYSED:
        return
    verdict = codes.COUNT_RELIABLE if analysis.count_reliable else codes.COUNT_NOT_RELIABLE
    yield pen.code(CONTAINS, codes.COUNT, verdict)
    if analysis.reliability:
        yield pen.text(CONTAINS, codes.COUNT_BASIS, _checked_by(analysis.reliability, pen))


def _checked_by(found: Reliability, pen: Pen) -> str:
    second = found.second_small_nodules
    noise = pen.say("checked.no-noise")
    if found.noise_hu is not None and found.detectability is not None:
        figures = {"hu": found.noise_hu, "value": found.detectability, "mm": found.detectability_mm}
        noise = pen.say("checked.noise", **figures)
    return pen.say(
        "checked",
        nodules=found.small_nodules,
        reader=found.second_reader,
        second="" if second is None else pen.say("checked.second", nodules=second),
        noise=noise,
    )


def _pattern(pattern: Pattern | None, pen: Pen) -> list[Item]:
    if pattern is None:
        return []
    median, cv = pattern.median_diameter_mm, pattern.diameter_cv
    basis = pen.say(
        "pattern",
        version=pattern.criteria_version,
        right=pattern.nodules_right,
        left=pattern.nodules_left,
        small=pattern.small_nodules,
        median=pen.say("none") if median is None else pen.say("pattern.mm", mm=median),
        cv=pen.say("none") if cv is None else pen.say("pattern.cv", cv=cv),
        slabs=pattern.slabs_10mm_with_10,
    )
    miliary = pattern.level >= MILIARY_FROM if pattern.miliary is None else pattern.miliary
    named = [pen.code(CONTAINS, codes.FINDING, codes.MILIARY_PATTERN)] if miliary else []
    return [
        *named,
        pen.code(CONTAINS, codes.PATTERN, codes.PATTERN_LEVELS[pattern.level]),
        pen.text(CONTAINS, codes.PATTERN_BASIS, basis),
    ]


def _lungs(lungs: Lungs | None, pen: Pen) -> list[Item]:
    if lungs is None:
        return []
    words = pen.say("lung-volume", right=volume_l(lungs.right_l), left=volume_l(lungs.left_l))
    return [pen.text(CONTAINS, codes.LUNG_VOLUME, words)]


def _remark(remark: Remark, pen: Pen) -> Iterator[Item]:
    yield pen.code(CONTAINS, codes.WEIGHTS[remark.weight], codes.REASONS[remark.reason])
    if remark.detail:
        words = pen.say("remark", reason=coded("reason", remark.reason.value), detail=remark.detail)
        yield pen.text(CONTAINS, codes.REMARK_DETAIL, words)


def _volumes(analysis: Analysis, pen: Pen) -> Iterator[Item]:
    for volume in analysis.volumes:
        words = pen.say(
            "volume",
            label=volume.label,
            slices=volume.slices,
            spacing="" if volume.spacing_mm is None else pen.say("volume.spacing", mm=volume.spacing_mm),
            fate=pen.say("volume.analysed" if volume.chosen else "volume.not-analysed"),
            why=volume.why,
        )
        yield pen.text(CONTAINS, codes.VOLUME_CHOICE, words)


def _calibration(made_by: Provenance, pen: Pen) -> list[Item]:
    return [pen.text(CONTAINS, codes.CALIBRATION, made_by.calibration)] if made_by.calibration else []


def _provenance(made_by: Provenance, pen: Pen) -> Iterator[Item]:
    yield pen.text(CONTAINS, codes.ALGORITHM, made_by.model_name)
    yield pen.text(CONTAINS, codes.ALGORITHM_VERSION, made_by.model_version)
    parameters = {
        "software": made_by.software_version,
        "model-sha256": made_by.model_digest,
        "configuration-sha256": made_by.configuration_digest,
        "provider": made_by.provider,
        "precision": made_by.precision,
    }
    for name, value in parameters.items():
        yield pen.text(CONTAINS, codes.ALGORITHM_PARAMETERS, f"{name}={value}")
