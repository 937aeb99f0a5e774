"""Whether two independent readers of one scan agree on how many small opacities there are.

The first reader is the model that reports; the second is analytic, knows nothing of how the first was
made, and is known to miss what is faint, very small or grown to a wall, and to take some knots of
vessels for nodules. So their counts are never equal, and only gross disagreement says anything:

    too few    the second counts more than one and a half times as many as are reported, beyond the
               false ones that it brings itself: a good model misses no third of what a plain filter sees
    too many   more are reported than four times what the second counts, and a score: it finds a
               quarter at least of solid nodules of the sizes and places that it was measured on

Both margins are three standard deviations of a Poisson count wider, so that small counts, where chance
rules, say nothing. Ground glass in profusion makes "too many" hold although every finding may be right:
the second reader cannot see it, the count is then confirmed by nobody, and that is what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from millet.core.language import phrase

SMALL_MM = 8.0
"""Opacities under this are compared: above it masses, scars and hila begin to be counted differently."""
FEWER = 1.5
MORE = 4.0
FALSE_PER_L = 3.0
"""False opacities of the second reader in a litre of lung: twice the most (1.6) that eight scans without
or almost without nodules showed, six of them real."""
UNSEEN = 20.0
"""Findings that the second reader may miss altogether, as in a handful of ground-glass nodules."""
SIGMAS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Small opacities by both readers, and the air-filled lung that both looked at."""

    reported: int
    second: int
    lungs_l: float


def small(diameters_mm: Sequence[float]) -> int:
    """How many of these are small opacities."""
    return sum(diameter < SMALL_MM for diameter in diameters_mm)


def disagreement(counts: Counts) -> str:
    """What is wrong with the number of small opacities, in words; nothing where the readers agree."""
    if _missing(counts):
        return phrase("agreement.more", reported=counts.reported, second=counts.second)
    if _flooded(counts):
        return phrase("agreement.fewer", reported=counts.reported, second=counts.second)
    return ""


def _missing(counts: Counts) -> bool:
    false = FALSE_PER_L * counts.lungs_l
    return counts.second > FEWER * counts.reported + false + SIGMAS * sqrt(counts.reported + false)


def _flooded(counts: Counts) -> bool:
    expected = MORE * counts.second + UNSEEN
    return counts.reported > expected + SIGMAS * sqrt(expected)
