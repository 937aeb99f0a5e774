"""Which volume of a series is analysed, and why; said for every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.analysis import VolumeSummary
from millet.core.language import coded, phrase
from millet.core.reasons import Reason, Remark, Weight
from millet.core.stack import Same, Stack, extent_mm, faults, normal, spacing_mm, without_repeats
from millet.errors import UnfitSeries

COVERAGE_MM = 20.0
"""Volumes whose extents differ by less than about this cover the same."""
FRACTION_MM = 0.25
"""Volumes whose spacings differ by less than about this are equally thin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The volume to analyse, all volumes with what became of them, and what there is to say."""

    stack: Stack
    volumes: tuple[VolumeSummary, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    stack: Stack
    remarks: tuple[Remark, ...]

    @property
    def refusal(self) -> Remark | None:
        return next((remark for remark in self.remarks if remark.weight is Weight.REFUSES), None)

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """Smallest is best: fit, original, covers most, thinnest (earliest, since stacks come so)."""
        derived = "DERIVED" in self.stack.slices[0].image_type
        coverage = -round(extent_mm(self.stack) / COVERAGE_MM)
        thinness = round((spacing_mm(self.stack) or 0.0) / FRACTION_MM)
        return self.refusal is not None, derived, coverage, thinness


def choose(stacks: Sequence[Stack], same: Same) -> Choice:
    """Choose the fit volume that is original, covers most, is thinnest, came earliest, in this order.

    Raises:
        UnfitSeries: No volume is fit; the reason is that of the best one, or MIXED_ORIENTATION where
            slices of several orientations leave none, or GEOMETRY_MISSING where there is no volume.
    """
    if not stacks:
        raise UnfitSeries(Reason.GEOMETRY_MISSING, phrase("choice.nowhere"))
    judged = [_judged(stack, same) for stack in stacks]
    best = min(judged, key=lambda each: each.rank)
    if best.refusal:
        raise _verdict(best.refusal, stacks)
    volumes = tuple(_summary(each, best) for each in judged)
    return Choice(stack=best.stack, volumes=volumes, remarks=best.remarks + _others(stacks))


def _judged(stack: Stack, same: Same) -> _Judged:
    single, notes = without_repeats(stack, same)
    return _Judged(stack=single, remarks=notes + faults(single))


def _verdict(refusal: Remark, stacks: Sequence[Stack]) -> UnfitSeries:
    count = _orientations(stacks)
    if count > 1:
        reason = coded("reason", refusal.reason.value)
        return UnfitSeries(Reason.MIXED_ORIENTATION, phrase("choice.refused", count=count, reason=reason))
    return UnfitSeries(refusal.reason, refusal.detail)


def _others(stacks: Sequence[Stack]) -> tuple[Remark, ...]:
    """Say that there is more in the series than was looked at."""
    if len(stacks) == 1:
        return ()
    detail = phrase("choice.several", count=len(stacks))
    notes = [Remark(reason=Reason.SEVERAL_VOLUMES, weight=Weight.NOTE, detail=detail)]
    count = _orientations(stacks)
    if count > 1:
        detail = phrase("choice.orientations", count=count)
        notes.append(Remark(reason=Reason.MIXED_ORIENTATION, weight=Weight.NOTE, detail=detail))
    return tuple(notes)


def _orientations(stacks: Sequence[Stack]) -> int:
    """How many directions the stacks run in."""
    found: list[np.ndarray] = []
    for stack in stacks:
        across = normal(stack.slices[0])
        if all(abs(float(across @ known)) < 0.999 for known in found):
            found.append(across)
    return len(found)


def _summary(each: _Judged, best: _Judged) -> VolumeSummary:
    if each is best:
        why: str = phrase("choice.best")
    elif each.refusal:
        why = phrase("remark", reason=coded("reason", each.refusal.reason), detail=each.refusal.detail)
    else:
        why = _lost_by(each, best)
    return VolumeSummary(
        label=each.stack.label,
        slices=len(each.stack.slices),
        spacing_mm=spacing_mm(each.stack),
        chosen=each is best,
        why=why,
    )


def _lost_by(each: _Judged, best: _Judged) -> str:
    names = ("unfit", "derived", "shorter", "thicker")
    lost = (n for n, mine, theirs in zip(names, each.rank, best.rank, strict=True) if mine != theirs)
    return phrase(f"choice.{next(lost, 'later')}")
