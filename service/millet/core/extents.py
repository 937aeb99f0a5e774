"""How many nodules lie in which part of the lungs, and how large they are.

Zones are thirds of each lung's own height (as the ILO has film readers divide it), 100 mL are of the
air-filled lung, and the spread of sizes is told without what measuring adds to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from millet.core.character import Lobe, Zone
from millet.core.geometry import Floats
from millet.core.lungs import LungMask
from millet.core.nodule import Nodule, Side
from millet.core.spread import LobeCount, Sizes, ZoneCount

DIAMETER_ERROR_MM = 0.3
"""Standard deviation of a diameter whose interval is not known: what the measuring aims at."""
INTERVAL_Z = 1.96
LABELS = {Side.RIGHT: 1, Side.LEFT: 2}
ZONES = (Zone.UPPER, Zone.MIDDLE, Zone.LOWER)
_DECILITRES = 10.0


class Height(NamedTuple):
    """Where a lung ends, in patient z, mm."""

    base_mm: float
    apex_mm: float

    def down(self, z_mm: Floats) -> Floats:
        """From 0 at the apex to 1 at the base."""
        return np.clip((self.apex_mm - z_mm) / max(self.apex_mm - self.base_mm, 1e-6), 0.0, 1.0)


def heights(lungs: LungMask) -> dict[Side, Height]:
    """Of each lung that was found."""
    found = {}
    for side, label in LABELS.items():
        planes = np.flatnonzero((lungs.label == label).any(axis=(1, 2)))
        if len(planes):
            start, step = lungs.grid.origin_mm.z, lungs.grid.spacing_mm[0]
            base, apex = start + (planes[0] - 0.5) * step, start + (planes[-1] + 0.5) * step
            found[side] = Height(base_mm=float(base), apex_mm=float(apex))
    return found


def down(lungs: LungMask, points_mm: Floats, labels: ArrayLike) -> Floats:
    """How far points (N, 3) of lungs (1 right, 2 left) lie from apex (0) to base (1) of their own lung."""
    found = np.full(len(points_mm), 0.5)
    for side, height in heights(lungs).items():
        mine = np.asarray(labels) == LABELS[side]
        found[mine] = height.down(points_mm[mine, 2])
    return found


def zone_counts(nodules: Sequence[Nodule], lungs: LungMask) -> tuple[ZoneCount, ...]:
    """All six zones, right before left, from above; a nodule is counted where its character has it."""
    of = heights(lungs)
    counted = Counter((nodule.side, _zone(nodule, of.get(nodule.side))) for nodule in nodules)
    return tuple(
        ZoneCount(
            side=side,
            zone=zone,
            nodules=counted[side, zone],
            per_100_ml=_density(counted[side, zone], litres) or 0.0,
        )
        for side, label in LABELS.items()
        for zone, litres in zip(ZONES, _zone_litres(lungs, label), strict=True)
    )


def lobe_counts(nodules: Sequence[Nodule], litres: Sequence[tuple[Lobe, float]]) -> tuple[LobeCount, ...]:
    """All five lobes where their litres are known, else none."""
    known = dict(litres)
    if not known:
        return ()
    counted = Counter(nodule.character.lobe for nodule in nodules if nodule.character is not None)
    return tuple(
        LobeCount(lobe=lobe, nodules=counted[lobe], per_100_ml=_density(counted[lobe], known.get(lobe, 0.0)))
        for lobe in Lobe
    )


def per_100_ml(nodules: int, litres: float) -> float:
    """Nodules per 100 mL of lung; 0 without lung."""
    return _density(nodules, litres) or 0.0


def sizes(nodules: Sequence[Nodule]) -> Sizes | None:
    """The distribution of diameters; None without nodules.

    What measuring adds is taken off the variance: of each nodule by the interval of its volume where it has
    one (a third of it in the diameter), else by `DIAMETER_ERROR_MM`.
    """
    if not nodules:
        return None
    diameters = np.asarray([nodule.diameter_mm for nodule in nodules])
    error = np.asarray([_error_mm(nodule) for nodule in nodules])
    variance = max(float(diameters.var() - (error**2).mean()), 0.0)
    p10, median, p90 = np.percentile(diameters, (10, 50, 90))
    return Sizes(
        p10_mm=round(float(p10), 2),
        median_mm=round(float(median), 2),
        p90_mm=round(float(p90), 2),
        cv=round(variance**0.5 / float(diameters.mean()), 3),
    )


def _error_mm(nodule: Nodule) -> float:
    known = nodule.character
    if known is None or nodule.volume_mm3 <= 0 or known.volume_high_mm3 <= known.volume_low_mm3:
        return DIAMETER_ERROR_MM
    relative = (known.volume_high_mm3 - known.volume_low_mm3) / (2 * INTERVAL_Z * nodule.volume_mm3)
    return nodule.diameter_mm * relative / 3


def _zone(nodule: Nodule, height: Height | None) -> Zone:
    if nodule.character is not None:
        return nodule.character.zone
    if height is None:
        return Zone.MIDDLE
    third = int(3 * height.down(np.asarray([nodule.centre_mm.z]))[0])
    return ZONES[min(third, 2)]


def _zone_litres(lungs: LungMask, label: int) -> tuple[float, float, float]:
    """Of one lung, from above: its litres by the share of its voxels in each third of its height."""
    planes = np.count_nonzero(lungs.label == label, axis=(1, 2))
    held = np.flatnonzero(planes)
    if not len(held):
        return 0.0, 0.0, 0.0
    thirds = np.minimum(
        3 * (np.arange(held[0], held[-1] + 1) - held[0] + 0.5) / (held[-1] + 1 - held[0]), 2.99
    )
    shares = np.bincount(thirds.astype(int), planes[held[0] : held[-1] + 1], 3) / planes.sum()
    whole = lungs.litres.right_l if label == LABELS[Side.RIGHT] else lungs.litres.left_l
    lower, middle, upper = (float(share * whole) for share in shares)
    return upper, middle, lower


def _density(nodules: int, litres: float) -> float | None:
    return round(nodules / (litres * _DECILITRES), 3) if litres > 0 else None
