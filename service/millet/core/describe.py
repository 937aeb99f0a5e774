"""Nodules in the words of a report: what they are like, where they lie, what can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.character import Character, NoduleType
from millet.core.detectability import LEAST_DETECTABILITY, SOLID_CONTRAST_HU, Resolution, detectability
from millet.core.geometry import Floats
from millet.core.levels import GLASS_CONTRAST_HU
from millet.core.lungs import LUNG_HU
from millet.core.measure import Measurement
from millet.core.place import Place

TOUCHING_MM = 2.0
"""Nearer to pleura or fissure a nodule counts as lying on it: a voxel of the lung mask, below which the mask
cannot tell (attached: Lung-RADS v2022, juxtapleural; de Hoop, Radiology 265:611, 2012, perifissural)."""
FAT_CONTRAST_HU = -80.0 - LUNG_HU
CONTRAST_HU = {
    NoduleType.SOLID: SOLID_CONTRAST_HU,
    NoduleType.CALCIFIED: SOLID_CONTRAST_HU,
    NoduleType.FAT: FAT_CONTRAST_HU,
    NoduleType.PART_SOLID: GLASS_CONTRAST_HU,
    NoduleType.GROUND_GLASS: GLASS_CONTRAST_HU,
}
"""To the lung; of a part-solid nodule that of its glass, which sets its size."""
_DIAMETERS_MM = np.geomspace(0.3, 60.0, 48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How finely, and through how much noise, a scan was seen."""

    at: Resolution
    noise_hu: float | None
    """None where there was too little lung to measure it."""


def characters(
    measured: Sequence[Measurement],
    places: Sequence[Place],
    seen: Seen,
    probabilities: Sequence[float | None],
) -> tuple[Character, ...]:
    """The character of each nodule, in their order, with its probability where the model is calibrated."""
    limits = at_limit([one.diameter_mm for one in measured], [one.traits.type for one in measured], seen)
    each = zip(measured, places, probabilities, limits, strict=True)
    return tuple(
        _character(one, place, probability=chance, at_resolution_limit=limit)
        for one, place, chance, limit in each
    )


def at_limit(diameters_mm: Sequence[float], types: Sequence[NoduleType], seen: Seen) -> list[bool]:
    """Whether d' of nodules of such sizes and types is below 6; of all where the noise is not known."""
    if seen.noise_hu is None:
        return [True] * len(diameters_mm)
    contrast = np.asarray([CONTRAST_HU[one] for one in types], float)
    found = _detectability(np.asarray(diameters_mm, float), seen.at) * contrast / seen.noise_hu
    return [bool(value < LEAST_DETECTABILITY) for value in found]


def _detectability(diameters_mm: Floats, at: Resolution) -> Floats:
    """The d' where contrast and noise are equal, from a table: it is a smooth function of the size."""
    table = [detectability(float(diameter), 1.0, 1.0, at) for diameter in _DIAMETERS_MM]
    return np.exp(np.interp(np.log(diameters_mm), np.log(_DIAMETERS_MM), np.log(table)))


def _character(
    one: Measurement, place: Place, *, probability: float | None, at_resolution_limit: bool
) -> Character:
    own = one.traits
    return Character(
        axes=own.axes,
        volume_low_mm3=own.volume_low_mm3,
        volume_high_mm3=own.volume_high_mm3,
        p95_hu=own.p95_hu,
        calcified_share=own.calcified_share,
        type=own.type,
        core_mm=own.core_mm,
        spiculation=own.spiculation,
        lobe=place.lobe,
        zone=place.zone,
        zone_estimated=place.zone_estimated,
        pleura_mm=place.pleura_mm,
        fissure_mm=place.fissure_mm,
        juxtapleural=_touches(place.pleura_mm),
        perifissural=_touches(place.fissure_mm),
        probability=probability,
        at_resolution_limit=at_resolution_limit,
    )


def _touches(distance_mm: float | None) -> bool:
    return distance_mm is not None and distance_mm <= TOUCHING_MM
