"""The series of a study that a reader should open first, by stated rules.

A chest CT is one acquisition and often four or more series of it: thin and thick, soft and sharp, with
reformats beside them. Every series that is fit is analysed; here they are put in order, and the others
are linked to the best one. The first rule in which two series differ decides between them:

    fit            not refused: adult chest CT, original axial slices, a whole stack (gate, choice)
    lungs whole    an analysis has not found the lungs cut off
    coverage       longer along the body, up to the height of a large chest (more is abdomen)
    original       ORIGINAL before DERIVED (PS3.3 C.7.6.1.1.2)
    thin           up to 1.5 mm (what nodules are to be measured on: BTS 2015, Fleischner 2017), up to the
                   3 mm that was validated, thicker; the larger of thickness and spacing counts
    kernel         the usual one, then a sharp one, then a soft one: see `KERNELS`
    thinner        within the same class
    slices         more of them
    UID            the smaller one, so that the order is total

Contrast medium, the order of arrival and the findings do not count: a series is not better for showing
more. Nothing here reads pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from millet.core import best_wording, gate
from millet.core.analysis import Analysis, Outcome
from millet.core.choice import choose
from millet.core.kernel import SHARP_MM, SOFT_MM, USUAL_BLUR_MM, blur_mm
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import VALIDATED_THICKNESS_MM, Stack, extent_mm, spacing_mm
from millet.errors import UnfitSeries

CHEST_MM = 300.0
"""The lungs of a large adult, with a margin."""
COVERAGE_MM = 20.0
"""Series that differ by less than about this cover the same."""
THIN_MM = 1.5
FRACTION_MM = 0.25
KERNELS = (USUAL_BLUR_MM, SHARP_MM, SOFT_MM)
"""By the distance from the middle of the blurs that detectors are trained on here (0.7 to 1.4 mm); the
usual and the sharp one lie equally near, but a sharp one has two to three times the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is compared of one series: of the volume in it that is analysed. No patient data."""

    series_uid: str
    refusal: str = ""
    """The code of the reason for which it is not analysed; empty for a series that is fit."""
    lungs_cut: bool = False
    extent_mm: float = 0.0
    original: bool = True
    slice_mm: float = 0.0
    """As thick as stated, at least as the step."""
    kernel: str = ""
    slices: int = 0


class Standing(NamedTuple):
    """Where a series stands in its study."""

    best_series_uid: str
    """Empty where no series is fit."""
    reason: str
    """By which rule the best one is it, or what it has before this one; `best_wording` tells it."""


def candidate(series_uid: str, headers: Sequence[SliceHeader]) -> Candidate:
    """What the headers of a complete series say of it; slices at one place count as the same slice."""
    try:
        admitted = gate.admit(headers)
        chosen = choose(split(admitted.headers), lambda _one, _other: True).stack
    except UnfitSeries as verdict:
        return Candidate(series_uid=series_uid, refusal=verdict.reason.value)
    return Candidate(
        series_uid=series_uid,
        extent_mm=extent_mm(chosen),
        original="DERIVED" not in chosen.slices[0].image_type,
        slice_mm=_slice_mm(chosen),
        kernel=chosen.slices[0].kernel,
        slices=len(chosen.slices),
    )


def examined(known: Candidate, analysis: Analysis) -> Candidate:
    """What an analysis adds to it: whether it was refused after all, and whether the lungs are whole."""
    if analysis.outcome is Outcome.JUDGED:  # a report: no series to be read first
        return known
    refused = analysis.outcome is Outcome.NOT_ANALYSED
    cut = any(remark.reason is Reason.PARTIAL_LUNG for remark in analysis.remarks)
    return replace(known, refusal=analysis.reason_code if refused else "", lungs_cut=cut)


def judge(candidates: Sequence[Candidate]) -> Mapping[str, Standing]:
    """Where each series of one study stands, by its UID; the order of the candidates does not matter."""
    ranked = sorted(candidates, key=_ranks)
    if not ranked or ranked[0].refusal:
        return {each.series_uid: Standing("", best_wording.unfit(each.refusal)) for each in ranked}
    best = ranked[0]
    others = {each.series_uid: Standing(best.series_uid, _lost_by(each, best)) for each in ranked[1:]}
    return {best.series_uid: Standing(best.series_uid, _won_by(best, ranked[1:])), **others}


class _Rank(NamedTuple):
    """Smaller is better, from the first rule to the last: those of `best_wording.RULES`."""

    unfit: bool
    cut: bool
    coverage: int
    derived: bool
    thickness: int
    kernel: int
    thinness: int
    slices: int
    series_uid: str


def _ranks(each: Candidate) -> _Rank:
    return _Rank(
        unfit=bool(each.refusal),
        cut=each.lungs_cut,
        coverage=-round(min(each.extent_mm, CHEST_MM) / COVERAGE_MM),
        derived=not each.original,
        thickness=sum(each.slice_mm > limit_mm for limit_mm in (THIN_MM, VALIDATED_THICKNESS_MM)),
        kernel=KERNELS.index(blur_mm(each.kernel)),
        thinness=round(each.slice_mm / FRACTION_MM),
        slices=-each.slices,
        series_uid=each.series_uid,
    )


def _won_by(best: Candidate, others: Sequence[Candidate]) -> str:
    fit = [each for each in others if not each.refusal]
    return best_wording.won(len(fit) + 1, _first(best, fit[0])) if fit else best_wording.only()


def _lost_by(each: Candidate, best: Candidate) -> str:
    return best_wording.unfit(each.refusal) if each.refusal else best_wording.lost(_first(best, each))


def _first(best: Candidate, other: Candidate) -> int:
    """The first rule in which two series differ."""
    pairs = zip(_ranks(best), _ranks(other), strict=True)
    return next(at for at, (mine, theirs) in enumerate(pairs) if mine != theirs)


def _slice_mm(stack: Stack) -> float:
    stated = max(header.slice_thickness_mm or 0.0 for header in stack.slices)
    return max(spacing_mm(stack) or 0.0, stated)
