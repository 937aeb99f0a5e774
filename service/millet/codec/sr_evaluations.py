"""What a report says of the exam as a whole (TID 1500, rows 12 to 14), in codes and in sentences.

It is there always, so that "none found" and "not analysed, because ..." are reports like any other. Every
one says that it is unverified, what made it, by which criteria, how much lung was looked at and what was not
assessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC

from millet.codec import codes, sr_judged
from millet.codec.content import CONTAINS, code, container, text
from millet.codec.disclosure import UNREVIEWED
from millet.codec.document import STATEMENT
from millet.codec.elements import Item
from millet.core.analysis import (
    Analysis,
    Lungs,
    Outcome,
    Pattern,
    Provenance,
    Reliability,
)
from millet.core.nodule import NoduleClass
from millet.core.reasons import Reason, Remark
from millet.core.rounding import volume_l, written

MILIARY_FROM = 2
"""LMP level from which reports name the miliary pattern as a finding where the answer was not asked for."""


def evaluations(analysis: Analysis, more: Sequence[Item] = ()) -> Item:
    """The container of all of them; `more` is what one kind of report says besides."""
    triage = analysis.triage
    return container(
        codes.EVALUATIONS,
        [
            text(CONTAINS, codes.COMMENT, f"{STATEMENT} {UNREVIEWED}"),
            code(CONTAINS, codes.SUMMARY, codes.OUTCOMES[analysis.outcome]),
            text(CONTAINS, codes.COMPLETENESS, _completeness(analysis)),
            *_count(analysis),
            code(CONTAINS, codes.TRIAGE, codes.TRIAGE_LEVELS[triage.level]),
            *(text(CONTAINS, codes.TRIAGE_REASON, reason) for reason in triage.reasons if reason),
            *_pattern(analysis.pattern),
            *(item for remark in analysis.remarks for item in _remark(remark)),
            *(text(CONTAINS, codes.NOT_ASSESSED, words) for words in analysis.not_assessed if words),
            *_lungs(analysis.lungs),
            *_volumes(analysis),
            *sr_judged.judged(analysis),
            *more,
            *_calibration(analysis.provenance),
            *_provenance(analysis.provenance),
            text(CONTAINS, codes.CREATED, analysis.created_utc.astimezone(UTC).isoformat()),
        ],
    )


def _completeness(analysis: Analysis) -> str:
    if analysis.outcome is Outcome.NOT_ANALYSED:
        return f"The series was not analysed ({analysis.reason_code}). Nothing is said about findings."
    masses = sum(nodule.nodule_class is NoduleClass.MASS for nodule in analysis.nodules)
    found = f"{len(analysis.nodules) - masses} nodules and {masses} masses"
    if not analysis.nodules:
        return "The series was analysed; no nodule was found. This is no proof that there is none."
    if any(remark.reason is Reason.COUNT_LIMIT_REACHED for remark in analysis.remarks):
        return (
            f"The series was analysed; {found} are listed. The model's limit was reached: there may be more."
        )
    return f"The series was analysed; all {found} that were found are listed, none is left out."


def _count(analysis: Analysis) -> Iterator[Item]:
    """Whether the number of nodules is to be relied on; nothing of a series that was not analysed."""
    if analysis.outcome is Outcome.NOT_ANALYSED:
        return
    verdict = codes.COUNT_RELIABLE if analysis.count_reliable else codes.COUNT_NOT_RELIABLE
    yield code(CONTAINS, codes.COUNT, verdict)
    if analysis.reliability:
        yield text(CONTAINS, codes.COUNT_BASIS, _checked_by(analysis.reliability))


def _checked_by(found: Reliability) -> str:
    counted = f"{found.small_nodules} nodules under 8 mm reported; second reader: {found.second_reader}"
    if found.second_small_nodules is not None:
        counted += f", {found.second_small_nodules} under 8 mm"
    if found.noise_hu is None or found.detectability is None:
        return f"{counted}; noise not measured"
    shown = f"d' {found.detectability:.1f} for a solid nodule of {found.detectability_mm:.1f} mm"
    return f"{counted}; noise {found.noise_hu:.0f} HU, {shown}"


def _pattern(pattern: Pattern | None) -> list[Item]:
    if pattern is None:
        return []
    median = "none" if pattern.median_diameter_mm is None else f"{pattern.median_diameter_mm:.2f} mm"
    spread = "none" if pattern.diameter_cv is None else f"{pattern.diameter_cv:.2f}"
    basis = (
        f"Proposal, not a guideline. Criteria {pattern.criteria_version}: "
        f"{pattern.nodules_right} nodules right, {pattern.nodules_left} left; "
        f"{pattern.small_nodules} under 10 mm; median diameter {median}, "
        f"coefficient of variation {spread}; "
        f"{pattern.slabs_10mm_with_10} slabs of 10 mm with at least 10 nodules."
    )
    miliary = pattern.level >= MILIARY_FROM if pattern.miliary is None else pattern.miliary
    named = [code(CONTAINS, codes.FINDING, codes.MILIARY_PATTERN)] if miliary else []
    return [
        *named,
        code(CONTAINS, codes.PATTERN, codes.PATTERN_LEVELS[pattern.level]),
        text(CONTAINS, codes.PATTERN_BASIS, basis),
    ]


def _lungs(lungs: Lungs | None) -> list[Item]:
    if lungs is None:
        return []
    right, left = (written(volume_l(litres)) for litres in (lungs.right_l, lungs.left_l))
    return [text(CONTAINS, codes.LUNG_VOLUME, f"Lung volume analysed: right {right} l, left {left} l.")]


def _remark(remark: Remark) -> Iterator[Item]:
    yield code(CONTAINS, codes.WEIGHTS[remark.weight], codes.REASONS[remark.reason])
    if remark.detail:
        yield text(CONTAINS, codes.REMARK_DETAIL, f"{remark.reason.value}: {remark.detail}")


def _volumes(analysis: Analysis) -> Iterator[Item]:
    for volume in analysis.volumes:
        spacing = "" if volume.spacing_mm is None else f", {volume.spacing_mm:g} mm apart"
        fate = "analysed" if volume.chosen else "not analysed"
        words = f"{volume.label}: {volume.slices} slices{spacing}; {fate}: {volume.why}"
        yield text(CONTAINS, codes.VOLUME_CHOICE, words)


def _calibration(made_by: Provenance) -> list[Item]:
    return [text(CONTAINS, codes.CALIBRATION, made_by.calibration)] if made_by.calibration else []


def _provenance(made_by: Provenance) -> Iterator[Item]:
    yield text(CONTAINS, codes.ALGORITHM, made_by.model_name)
    yield text(CONTAINS, codes.ALGORITHM_VERSION, made_by.model_version)
    parameters = {
        "software": made_by.software_version,
        "model-sha256": made_by.model_digest,
        "configuration-sha256": made_by.configuration_digest,
        "provider": made_by.provider,
        "precision": made_by.precision,
    }
    for name, value in parameters.items():
        yield text(CONTAINS, codes.ALGORITHM_PARAMETERS, f"{name}={value}")
