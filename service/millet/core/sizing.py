"""How large nodules are: the tissue that they add to the lung, wherever blur moved it.

Theory of operation. Blur moves HU about and keeps their sum, so what a nodule adds over the contrast of
its tissue is its volume, where no edge can be drawn as where one can. It is summed over the voxels that
hang together with the middle and those that its blur reaches. What else is dense nearby is left out;
vessels that leave the nodule are measured where they are out of it, and their length within is taken
off. A part-solid nodule is summed in two: what its core adds to the glass, then the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.core.levels import TISSUE_HU, Levels
from millet.core.tissue import PART_SOLID, Tissue
from millet.core.voi import LOOSE, Field, Masks, Vois, grown, sums

LEAST_CONTRAST_HU = 100.0
DENSE_SHARE = 0.35
"""Of tissue in a voxel, from which on it may belong to something."""
MOST_SHARE, MOST_NOISE = 1.3, 3.0
"""Of tissue in a voxel: a brighter vessel counts no more; in noise, so many standard deviations above 1."""
LEAST_SHARE = 0.2
"""Of the detector's volume: no nodule is measured smaller, whatever noise takes away."""
NOISY = 10.0
"""Contrasts below so many standard deviations of noise are looked at softened."""
SHARP_FROM_MM = 5.0
"""Larger nodules are summed over what is theirs and its rim; smaller ones over all that blur reaches."""
BRIGHT_SHARE = 0.6
"""Of the contrast of the brightest place: what may be a core."""
TUBE_MM, TUBE_HU = 1.2, 300.0
"""Over what length beyond a nodule vessels are looked for, and how far above the lung they are."""
MOST_TUBES = 0.4
"""Of a nodule's volume: vessels take no more from it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizes:
    """N nodules: volume and core (N,), and the share of tissue in each voxel (N, Z, Y, X)."""

    volume_mm3: Floats
    core_mm3: Floats
    """0 where there is no core."""
    share: Field


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Zone:
    """Where tissue is summed, and where vessels that leave it are."""

    own: Masks
    leaving: Masks
    reach_mm: Floats


def diameter_mm(volume_mm3: Floats) -> Floats:
    """Diameters of balls of such volumes."""
    return np.asarray((6 * volume_mm3 / np.pi) ** (1 / 3))


def bright_mm(some: Vois, soft: Field, level: Levels) -> Floats:
    """The diameter of what is about as bright as the brightest place."""
    bar = level.background + BRIGHT_SHARE * (level.top - level.background)
    bright = some.within(some.radius_mm) & (soft > some.over(bar))
    return diameter_mm(sums(bright) * some.grid.voxel_mm3)


def sizes(some: Vois, soft: Field, level: Levels, made_of: Tissue) -> Sizes:
    """The volumes of nodules of these levels, made of this tissue."""
    voxel_mm3 = some.grid.voxel_mm3
    contrast = np.maximum(made_of.hu - level.background, LEAST_CONTRAST_HU)
    noisy = contrast < NOISY * level.noise
    seen = np.where(noisy[:, None, None, None], soft, some.hu) - some.over(level.background)
    zone = _zone(some, seen > some.over(DENSE_SHARE * contrast))
    added = (some.hu - some.over(level.background)) / some.over(contrast)
    cored = made_of.kinds == PART_SOLID
    most = np.where(cored, np.inf, np.maximum(MOST_SHARE, 1 + MOST_NOISE * level.noise / contrast))
    share = np.where(zone.own, np.minimum(added, some.over(most)), np.float32(0))
    tubes = np.where(zone.leaving & grown(seen > np.float32(TUBE_HU)), np.clip(added, 0, 1), np.float32(0))
    core_mm3 = np.where(cored, _core_mm3(some, soft, level, zone.own), 0.0) if cored.any() else 0.0 * contrast
    richer = (TISSUE_HU - level.background) / contrast - 1
    whole_mm3 = sums(share) * voxel_mm3 - core_mm3 * richer
    whole_mm3 = _less_tubes(whole_mm3, sums(tubes) * voxel_mm3 / TUBE_MM, zone.reach_mm)
    least_mm3 = LEAST_SHARE * np.pi / 6 * (2 * some.radius_mm) ** 3
    return Sizes(volume_mm3=np.maximum(whole_mm3, least_mm3), core_mm3=core_mm3, share=share)


def _zone(some: Vois, dense: Masks) -> _Zone:
    """All that a nodule's blur reaches, less what is dense and not its own."""
    radius = some.radius_mm
    reach = np.maximum(radius * LOOSE, radius + some.blur_mm)
    near, beyond = some.within(reach), some.within(reach + TUBE_MM)
    whole = some.joined(dense & beyond)
    body = some.joined(whole & near)
    wide = grown(body)
    sharp = (2 * radius >= SHARP_FROM_MM)[:, None, None, None]
    around = np.where(sharp, grown(wide), near)
    other = dense & ~body
    return _Zone(
        own=around & (~grown(other) | wide) & ~other,
        leaving=grown(whole & ~near) & beyond & ~near,
        reach_mm=reach,
    )


def _less_tubes(volume_mm3: Floats, across_mm2: Floats, reach_mm: Floats) -> Floats:
    """Volumes without the vessels, of such cross-sections, that lead from their surfaces to the reach."""
    less = volume_mm3
    for _ in range(2):  # the surface follows from the volume
        length_mm = np.maximum(reach_mm - diameter_mm(np.maximum(less, 0.1)) / 2, 0)
        less = volume_mm3 - np.minimum(across_mm2 * length_mm, MOST_TUBES * np.abs(volume_mm3))
    return less


def _core_mm3(some: Vois, soft: Field, level: Levels, own: Masks) -> Floats:
    """What a core adds to the glass around it, over the contrast of soft tissue to glass."""
    half = (level.rim + np.maximum(level.top, level.rim + LEAST_CONTRAST_HU)) / 2
    core = own & (soft > some.over(half)) & some.within(some.radius_mm)
    around = grown(grown(core)) & own
    contrast = np.maximum(TISSUE_HU - level.rim, LEAST_CONTRAST_HU)
    added = np.where(around, some.hu - some.over(level.rim), np.float32(0))
    return np.maximum(sums(added) / contrast, 0.0) * some.grid.voxel_mm3
