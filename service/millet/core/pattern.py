"""The exam as a whole: is this a miliary pattern?

Levels LMP-0 to LMP-2 of a proposal, not a guideline. Only the first line has a cohort behind it: more
than 50 bilateral nodules under 10 mm (Thoracic Cancer 2023, miliary pulmonary metastases). The second
follows the per-image counting of the brain criteria, counted per 10 mm slab so that slice thickness
does not matter. LMP-3 (definite) also needs a test of spatial randomness and is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.analysis import Pattern
from millet.core.geometry import Floats
from millet.core.nodule import Nodule, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Every threshold of the pattern levels; part of the configuration digest."""

    version: str = "lmp-proposal-1"
    small_mm: float = 10.0
    """Nodules under this are small."""
    possible_more_than: int = 50
    """LMP-1: more small nodules than this, in both lungs."""
    bilateral_share: float = 0.1
    """Both lungs: the lung with fewer holds at least this share."""
    micro_mm: float = 5.0
    micro_share: float = 0.8
    """LMP-2: at least this share of the small nodules is no larger than `micro_mm`."""
    median_mm: float = 4.0
    """LMP-2: their median is no larger than this."""
    side_slab_count: int = 5
    """LMP-2: at least two non-contiguous slabs with this many, in each lung."""
    slab_mm: float = 10.0
    exam_slab_count: int = 10
    """Reported: slabs with this many in both lungs together and `exam_slab_side` in each."""
    exam_slab_side: int = 3
    dominant_mm: float = 10.0
    dominant_ratio: float = 3.0
    """A dominant lesion is at least `dominant_mm` and this many times the median."""


PROPOSAL = Criteria()


def judge(nodules: Sequence[Nodule], criteria: Criteria = PROPOSAL) -> Pattern:
    """Count and judge all nodules of an exam; the dominant lesion is left out of median and CV."""
    small = [n for n in nodules if n.diameter_mm < criteria.small_mm]
    sizes = np.asarray([n.diameter_mm for n in small], float)
    right, left = (_slab_counts(small, side, criteria.slab_mm) for side in (Side.RIGHT, Side.LEFT))
    return Pattern(
        level=_level(small, sizes, right, left, criteria),
        criteria_version=criteria.version,
        nodules_right=sum(n.side is Side.RIGHT for n in nodules),
        nodules_left=sum(n.side is Side.LEFT for n in nodules),
        small_nodules=len(small),
        median_diameter_mm=round(float(np.median(sizes)), 2) if len(sizes) else None,
        diameter_cv=round(float(np.std(sizes) / np.mean(sizes)), 3) if len(sizes) else None,
        slabs_10mm_with_10=_exam_slabs(right, left, criteria),
    )


def dominant(nodules: Sequence[Nodule], criteria: Criteria = PROPOSAL) -> Nodule | None:
    """The largest nodule where it stands out from the others, else None."""
    if not nodules:
        return None
    largest = max(nodules, key=lambda n: n.diameter_mm)
    others = [n.diameter_mm for n in nodules if n is not largest]
    rest_mm = float(np.median(others)) if others else 0.0
    stands_out = largest.diameter_mm >= max(criteria.dominant_mm, criteria.dominant_ratio * rest_mm)
    return largest if stands_out else None


def _level(small: Sequence[Nodule], sizes: Floats, right: _Slabs, left: _Slabs, criteria: Criteria) -> int:
    fewer = min(sum(n.side is side for n in small) for side in Side)
    bilateral = fewer >= criteria.bilateral_share * len(small)
    if len(small) <= criteria.possible_more_than or not bilateral:
        return 0
    uniform = (
        float(np.mean(sizes <= criteria.micro_mm)) >= criteria.micro_share
        and float(np.median(sizes)) <= criteria.median_mm
    )
    spread = all(_apart(side, lambda count: count >= criteria.side_slab_count) for side in (right, left))
    return 2 if uniform and spread else 1


_Slabs = dict[int, int]


def _slab_counts(nodules: Sequence[Nodule], side: Side, slab_mm: float) -> _Slabs:
    """Nodules of one lung per slab; slabs are fixed in patient z, so every exam is cut alike."""
    slabs = [int(np.floor(n.centre_mm.z / slab_mm)) for n in nodules if n.side is side]
    return {slab: slabs.count(slab) for slab in set(slabs)}


def _apart(slabs: _Slabs, enough: Callable[[int], bool]) -> bool:
    full = [slab for slab, count in slabs.items() if enough(count)]
    return bool(full) and max(full) - min(full) >= 2


def _exam_slabs(right: _Slabs, left: _Slabs, criteria: Criteria) -> int:
    return sum(
        right[slab] + left[slab] >= criteria.exam_slab_count
        and min(right[slab], left[slab]) >= criteria.exam_slab_side
        for slab in right.keys() & left.keys()
    )
