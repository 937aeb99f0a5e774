"""Charts of a series as figures for a template: how large its nodules are, and where they lie."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from millet.core.analysis import Analysis
from millet.core.change import Change, Fate
from millet.core.character import Lobe, Zone
from millet.core.nodule import Nodule, Side

EDGES_MM = (0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Of mean diameters; guidelines change at 6 and 8 (Fleischner 2017, Lung-RADS v2022), a mass is over 30."""
_TALL = 100.0

LOBES: Mapping[Lobe, str] = MappingProxyType(
    {
        Lobe.RIGHT_UPPER: "M62 14C44 22 30 42 25 70L24 84L84 66L84 34C80 20 72 12 62 14Z",
        Lobe.RIGHT_MIDDLE: "M24 90L84 72L84 106L58 120L22 104Z",
        Lobe.RIGHT_LOWER: "M21 110L57 126L84 112L84 150C66 144 40 150 18 162C16 144 18 126 21 110Z",
        Lobe.LEFT_UPPER: "M138 14C156 22 170 42 175 70L178 100L120 122L118 104L116 34C120 20 128 12 138 14Z",
        Lobe.LEFT_LOWER: "M179 107L122 129L118 150C136 144 160 150 182 162C184 144 182 124 179 107Z",
    }
)
"""As a reader sees them from the front, in a field of 200 by 176: the patient's right is on the left."""


class Bar(NamedTuple):
    """One bar of a histogram."""

    label: str
    nodules: int
    height: float
    """Of 100."""
    large: bool
    """Whether guidelines ask for follow-up from this size on."""


class Region(NamedTuple):
    """A part of the lungs on the map."""

    name: str
    """Its code."""
    nodules: int
    per_100_ml: float | None
    opacity: float
    """0.08 to 0.9, the densest one darkest."""
    path: str
    """Its outline (SVG); empty for one of a table alone."""
    middle: tuple[float, float]


_MIDDLES = {
    Lobe.RIGHT_UPPER: (57.0, 52.0),
    Lobe.RIGHT_MIDDLE: (56.0, 98.0),
    Lobe.RIGHT_LOWER: (52.0, 138.0),
    Lobe.LEFT_UPPER: (145.0, 70.0),
    Lobe.LEFT_LOWER: (150.0, 140.0),
}


def sizes(nodules: Sequence[Nodule]) -> Sequence[Bar]:
    """How many nodules are of which mean diameter, from the smallest to the largest that there is."""
    counts = Counter(bisect_right(EDGES_MM, one.diameter_mm) - 1 for one in nodules)
    highest = max(counts.values(), default=1)
    labels = [f"{low:.0f}-{high:.0f}" for low, high in pairwise(EDGES_MM)] + [f"> {EDGES_MM[-1]:.0f}"]
    return [
        Bar(label, counts[at], _TALL * counts[at] / highest, low_mm >= 6.0)
        for at, (label, low_mm) in enumerate(zip(labels, EDGES_MM, strict=True))
    ]


def lobes(analysis: Analysis) -> Sequence[Region]:
    """The five lobes; none where the fissures were not found."""
    counted = analysis.spread.lobes if analysis.spread else ()
    dense = max((one.per_100_ml or 0.0 for one in counted), default=0.0)
    return [
        Region(
            one.lobe.value,
            one.nodules,
            one.per_100_ml,
            _opacity(one.per_100_ml, dense),
            LOBES[one.lobe],
            _MIDDLES[one.lobe],
        )
        for one in counted
    ]


def zones(analysis: Analysis) -> Sequence[Sequence[Region]]:
    """The six zones, from the upper ones down, right before left; none where nothing was counted."""
    counted = {(one.zone, one.side): one for one in analysis.spread.zones} if analysis.spread else {}
    dense = max((one.per_100_ml for one in counted.values()), default=0.0)
    if len(counted) < len(Zone) * len(Side):
        return []
    return [
        [
            Region(
                f"{side.value}-{zone.value}",
                counted[zone, side].nodules,
                counted[zone, side].per_100_ml,
                _opacity(counted[zone, side].per_100_ml, dense),
                "",
                (0.0, 0.0),
            )
            for side in (Side.RIGHT, Side.LEFT)
        ]
        for zone in Zone
    ]


def courses(change: Change) -> Mapping[Fate, int]:
    """How many nodules became what since the prior study, all of them named."""
    counts = Counter(one.fate for one in change.nodules)
    return {fate: counts[fate] for fate in Fate}


def _opacity(per_100_ml: float | None, densest: float) -> float:
    return round(0.08 + 0.82 * (per_100_ml or 0.0) / densest, 2) if densest else 0.08
