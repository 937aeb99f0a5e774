"""Whether the number of nodules can be relied on: by a second reader's count, and by what physics allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from millet.core.agreement import Counts, disagreement, small
from millet.core.analysis import Reliability
from millet.core.detectability import (
    LEAST_DETECTABILITY,
    SOLID_CONTRAST_HU,
    USUAL_MM,
    Resolution,
    detectability,
)
from millet.core.language import phrase
from millet.core.nodule import Candidate
from millet.core.reasons import Reason, Remark, Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one exam's count."""

    diameters_mm: Sequence[float]
    """Of the nodules that are reported."""
    median_mm: float | None
    """Of the small ones among them; None where there are none."""
    lungs_l: float
    noise_hu: float | None
    seen_at: Resolution
    second_reader: str
    """Its name, or why there is none."""
    second: Sequence[Candidate] | None
    """What it would report; None without one."""


def judge(known: Evidence) -> tuple[Reliability, tuple[Remark, ...]]:
    """The verdict's figures, and the remarks that speak against the count."""
    asked_mm = known.median_mm or USUAL_MM
    second = None if known.second is None else small([c.diameter_mm for c in known.second])
    figures = Reliability(
        second_reader=known.second_reader,
        small_nodules=small(known.diameters_mm),
        second_small_nodules=second,
        noise_hu=known.noise_hu,
        detectability=_detectability(known, asked_mm),
        detectability_mm=asked_mm,
    )
    details = [*_disagree(known, figures), *_too_faint(known, figures)]
    return figures, tuple(
        Remark(reason=reason, weight=Weight.OUTSIDE_USE, detail=detail) for reason, detail in details
    )


def _detectability(known: Evidence, diameter_mm: float) -> float | None:
    if not known.noise_hu:
        return None
    return detectability(diameter_mm, SOLID_CONTRAST_HU, known.noise_hu, known.seen_at)


def _disagree(known: Evidence, figures: Reliability) -> Iterator[tuple[Reason, str]]:
    if figures.second_small_nodules is None:
        return
    counts = Counts(
        reported=figures.small_nodules, second=figures.second_small_nodules, lungs_l=known.lungs_l
    )
    if said := disagreement(counts):
        yield Reason.READERS_DISAGREE, phrase("reliability.disagree", what=said, reader=known.second_reader)


def _too_faint(known: Evidence, figures: Reliability) -> Iterator[tuple[Reason, str]]:
    if figures.detectability is None or figures.detectability >= LEAST_DETECTABILITY:
        return
    said = phrase(
        "reliability.faint",
        value=figures.detectability,
        least=LEAST_DETECTABILITY,
        mm=figures.detectability_mm,
        noise=known.noise_hu,
        slice_mm=known.seen_at.slice_mm,
    )
    yield Reason.LOW_DETECTABILITY, said
