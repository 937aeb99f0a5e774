"""What a nodule is like, beyond its place, its size and its score.

Definitions: reference tables of BTS 2015 and Lung-RADS v2022 for types and axes; Fleischner Society
glossary (Hansell, Radiology 246:697, 2008) for the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import dist

from millet.core.geometry import PointMm


class NoduleType(StrEnum):
    """What a nodule is made of."""

    SOLID = "solid"
    PART_SOLID = "part-solid"
    GROUND_GLASS = "ground-glass"
    CALCIFIED = "calcified"
    FAT = "fat"


class Lobe(StrEnum):
    """The five lobes; the lingula belongs to the left upper one."""

    RIGHT_UPPER = "right-upper"
    RIGHT_MIDDLE = "right-middle"
    RIGHT_LOWER = "right-lower"
    LEFT_UPPER = "left-upper"
    LEFT_LOWER = "left-lower"


class Zone(StrEnum):
    """Thirds of a lung's height, as film readers divide it."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Long axis and the short one across it, end to end, in the slice where the nodule is widest."""

    long_mm: tuple[PointMm, ...]
    """Its two ends, LPS."""
    short_mm: tuple[PointMm, ...]
    """Its two ends, LPS; at right angles to the long axis."""

    @property
    def long_axis_mm(self) -> float:
        """Length of the long axis."""
        return dist(*self.long_mm)

    @property
    def short_axis_mm(self) -> float:
        """Length of the short axis."""
        return dist(*self.short_mm)

    @property
    def mean_mm(self) -> float:
        """Mean of long and short axis, which the guidelines' thresholds are written for."""
        return (self.long_axis_mm + self.short_axis_mm) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One nodule, in the words of a report."""

    axes: Axes
    volume_low_mm3: float
    """Lower limit of the volume's 95 % interval (a repeated scan)."""
    volume_high_mm3: float
    p95_hu: float
    calcified_share: float
    """Share of the volume that is calcified, 0 to 1."""
    type: NoduleType
    core_mm: float | None
    """Mean diameter of the solid core of a part-solid nodule, else None."""
    spiculation: float
    """Estimate of how spiculated the edge is, 0 (smooth) to 1."""
    lobe: Lobe | None
    """None where no fissure was found, or a voxel of it is doubtful: see `zone`."""
    zone: Zone
    zone_estimated: bool
    """Whether the zone stands in for the lobe."""
    pleura_mm: float | None
    """From the nodule's edge to the pleura; 0 where it touches, None where it was not measured."""
    fissure_mm: float | None
    """From the nodule's edge to the nearest fissure; None where none was found."""
    juxtapleural: bool
    perifissural: bool
    probability: float | None
    """Calibrated probability that this is a nodule (not of cancer); None without a calibration."""
    at_resolution_limit: bool
    """Whether d' of a nodule of this size is below 6: measured, but not to be relied on."""
