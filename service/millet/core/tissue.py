"""What nodules are made of, told from the HU of their middle, their rim and their brightest place.

Definitions: ground glass and part-solid as in BTS 2015 (Callister, Thorax 70 suppl 2) and the Fleischner
glossary (Hansell, Radiology 246:697, 2008); calcified from the number that divided them in Siegelman
(Radiology 135:1, 1980), fat between -120 and -40 HU (Siegelman, Radiology 160:313, 1986). Where a nodule
is of glass and has a core is decided by constants that were set on the first simulator's nodules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.character import NoduleType
from millet.core.geometry import Floats
from millet.core.levels import TISSUE_HU, Blur, Levels, seen_in_middle
from millet.core.voi import Masks

TYPES = (
    NoduleType.SOLID,
    NoduleType.PART_SOLID,
    NoduleType.GROUND_GLASS,
    NoduleType.CALCIFIED,
    NoduleType.FAT,
)
SOLID, PART_SOLID, GROUND_GLASS, CALCIFIED, FAT = range(5)
Kinds = NDArray[np.int64]
"""Places in `TYPES`."""

CALCIFIED_FROM_HU = 164.0
FAT_HU = (-160.0, -43.0)
"""With a margin for noise."""
GLASS_RIM_BELOW_HU, WHOLE_RIM_BELOW_HU = -320.0, -190.0
"""Rims below both are glass; those of nodules of one kind stay above, whatever blur leaves of them."""
GLASS_MIDDLE_BELOW_HU = -370.0
"""Where a rim of glass has more than that in its middle, it has a core, be it too small to show."""
CORE_SHOWS = 0.32
"""Of the contrast of a solid core to its glass: what must show."""
TYPE_FROM_MM, TYPE_FROM_BLURS = 5.0, 8.0
"""Smaller nodules, in mm or in standard deviations of blur, are solid unless they are clearly calcified or
ground glass: no scan shows a core, or tells fat from partial volume, in them."""
CLEARLY = 3.0
"""Standard deviations."""
SOLID_SD_HU = 45.0
USUALLY_SOLID = 0.9
ANY_HU = 2000.0
"""The range that a nodule's HU may come from where it is not solid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tissue:
    """What N nodules are made of, each (N,)."""

    kinds: Kinds
    hu: Floats
    """Of nodules of one kind; of the glass around a core."""


def tissue(level: Levels, diameter_mm: Floats, bright_mm: Floats, blurred: Blur) -> Tissue:
    """The types of nodules of about a diameter, the bright parts of which have another."""
    shown = np.maximum(seen_in_middle(bright_mm, blurred.soft_sd_mm), 0.3)
    core_shows = (level.top - level.rim) / shown / np.maximum(TISSUE_HU - level.rim, 100.0)
    cored = (core_shows > CORE_SHOWS) | (level.middle > GLASS_MIDDLE_BELOW_HU)
    large = diameter_mm >= max(TYPE_FROM_MM, TYPE_FROM_BLURS * blurred.sd_mm)
    kinds = np.where(large, _of_large(level, cored), _of_small(level))
    of_one = np.where(kinds == SOLID, _likely_hu(level), level.middle)
    return Tissue(kinds=kinds, hu=np.where(kinds == PART_SOLID, level.rim, of_one))


def _of_large(level: Levels, cored: Masks) -> Kinds:
    fat = (FAT_HU[0] < level.middle) & (level.middle < FAT_HU[1])
    of_one = np.select([level.middle > CALCIFIED_FROM_HU, fat], [CALCIFIED, FAT], SOLID)
    of_glass = np.where(cored, PART_SOLID, GROUND_GLASS)
    glass = (level.rim < GLASS_RIM_BELOW_HU) & (level.whole_rim < WHOLE_RIM_BELOW_HU)
    return np.where(glass, of_glass, of_one)


def _of_small(level: Levels) -> Kinds:
    """Solid, unless it clearly is not."""
    calcified = level.middle - CLEARLY * level.middle_sd > CALCIFIED_FROM_HU
    glass = level.middle + CLEARLY * level.middle_sd < GLASS_RIM_BELOW_HU
    return np.select([calcified, glass], [CALCIFIED, GROUND_GLASS], SOLID)


def _likely_hu(level: Levels) -> Floats:
    """Expected HU of the tissue: those of soft tissue, unless what is read does not go with them.

    A mixture of soft tissue and of anything (Bayes): small nodules, whose reading is uncertain, take the
    HU of soft tissue; others their own.
    """
    own, solid = level.middle_sd**2, SOLID_SD_HU**2
    away = level.middle - TISSUE_HU
    likely = USUALLY_SOLID * np.exp(-(away**2) / (own + solid) / 2) / np.sqrt(2 * np.pi * (own + solid))
    weight = likely / (likely + (1 - USUALLY_SOLID) / ANY_HU)
    return level.middle - weight * away * own / (own + solid)
