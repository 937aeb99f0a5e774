"""The counting rules of box detectors, for models that were built with them; none of ours has any.

A box detector says every nodule many times over. Its rules cut that down and, on a scan with more than
a few hundred nodules, cut nodules: the best boxes of each pyramid level go on, then of two that overlap
the better, then the best of the scan. What is lost to a count, not to an overlap, is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.core.nodule import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """A manifest's `post`: how the boxes of a whole scan become its candidates."""

    nms_iou: float
    """Of two boxes that overlap by more (intersection over union) the one of lower score goes."""
    most_per_level: int
    """Boxes of one pyramid level that go on at all."""
    most_per_scan: int
    """Boxes that are left in the end."""
    score_floor: float
    """Boxes must score more than this."""

    def mistakes(self) -> Iterator[str]:
        """What cannot be meant."""
        for name in ("nms_iou", "score_floor"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"post {name} {getattr(self, name)} must be 0..1"
        for name in ("most_per_level", "most_per_scan"):
            if getattr(self, name) <= 0:
                yield f"post {name} {getattr(self, name)} must be positive"


class Proposal(NamedTuple):
    """A box, the cube that has its candidate's diameter as side, and the pyramid level it comes from."""

    candidate: Candidate
    pyramid: int = 0


class Selected(NamedTuple):
    """What the rules leave, highest score first, and the best score that a count cut off (0 for none)."""

    candidates: tuple[Candidate, ...]
    cut_score: float = 0.0


def select(found: Iterable[Proposal], rules: Boxes) -> Selected:
    """Apply the rules in MONAI's order (BoxSelector): floor, best of each level, overlap, best of the scan.

    Equal scores go by place, so that the order of `found` changes nothing.
    """
    ordered = sorted((p for p in found if p.candidate.score > rules.score_floor), key=_rank)
    passed, cut = _best_of_levels(ordered, rules.most_per_level)
    kept: list[int] = []
    for number in _apart([p.candidate for p in passed], rules.nms_iou):
        if len(kept) == rules.most_per_scan:
            cut = max(cut, passed[number].candidate.score)
            break
        kept.append(number)
    return Selected(tuple(passed[number].candidate for number in kept), cut)


def _rank(proposal: Proposal) -> tuple[float, tuple[float, ...], float, int]:
    candidate, pyramid = proposal
    return -candidate.score, tuple(candidate.centre_mm), candidate.diameter_mm, pyramid


def _best_of_levels(ordered: Sequence[Proposal], most: int) -> tuple[list[Proposal], float]:
    """The first `most` of each level, and the best score that is not among them."""
    passed: list[Proposal] = []
    counts: Counter[int] = Counter()
    cut = 0.0
    for proposal in ordered:
        counts[proposal.pyramid] += 1
        if counts[proposal.pyramid] <= most:
            passed.append(proposal)
        else:
            cut = max(cut, proposal.candidate.score)
    return passed, cut


def _apart(ordered: Sequence[Candidate], iou: float) -> Iterator[int]:
    """Those that no better one overlaps by more than `iou`, in order."""
    centres = np.asarray([c.centre_mm for c in ordered], float).reshape(-1, 3)
    sides = np.asarray([c.diameter_mm for c in ordered], float)
    free = np.ones(len(ordered), bool)
    for number in range(len(ordered)):
        if free[number]:
            yield number
            free &= _overlaps(centres, sides, number) <= iou


def _overlaps(centres: Floats, sides: Floats, number: int) -> NDArray[np.float64]:
    """Intersection over union of every cube with one of them."""
    apart = np.abs(centres - centres[number])
    smaller = np.minimum(sides, sides[number])[:, None]
    common = np.clip((sides + sides[number])[:, None] / 2 - apart, 0, smaller).prod(axis=1)
    shares: NDArray[np.float64] = common / (sides**3 + sides[number] ** 3 - common)
    return shares
