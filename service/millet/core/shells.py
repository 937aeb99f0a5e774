"""Shares of nodules near pleura, fissures and vessels against those of chance, and slopes of their density.

A share is judged against reference places of the same lungs, each taken to hold a nodule of one of the sizes
found: near means that its edge is within `NEAR_MM`. A nodule does not lie half outside the lung, so a place
counts only where at least `HELD` of its radius is below the surface.

A slope b says that density goes as exp(b t) along t from 0 to 1: the most likely b given where the nodules
lie, by Newton's method on the reference places (an exponential tilt of where there is lung).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats
from millet.core.ground import NODULE_BLUR_MM, Ground

NEAR_MM = 3.0
HELD = 0.7
FEWEST = 20
MOST_SLOPE = 20.0
"""Steeper than this a slope is no slope, but an edge."""
SIZES = 50
"""Radii that stand for all of them."""
_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """How many nodules lie near something: the share of those found, and that of chance."""

    nodules: int
    found: float
    chance: float

    @property
    def ratio(self) -> float | None:
        """Found over chance; None where chance has none."""
        return self.found / self.chance if self.chance > 0 else None


def shell(
    found_mm: Floats, place_mm: Floats, radii_mm: Floats, place_depth_mm: Floats, near_mm: float = NEAR_MM
) -> Shell:
    """Nodules (N,) and places (M,) by the distances of their centres from something; depths of places."""
    sizes = _few(radii_mm)
    held = place_depth_mm >= HELD * sizes[:, None]
    near = held & (place_mm <= near_mm + sizes[:, None])
    chance = near.sum(axis=1) / np.maximum(held.sum(axis=1), 1)
    share = float((found_mm - radii_mm <= near_mm).mean()) if len(found_mm) else 0.0
    return Shell(nodules=len(found_mm), found=share, chance=float(chance.mean()) if len(sizes) else 0.0)


def vessel_ratio(ground: Ground, centres_mm: Floats, radii_mm: Floats) -> float | None:
    """Median distance of nodules (N, 3) to the nearest vessel over that of places; None without vessels.

    What lies within a nodule and its blur is not told from it, so no nodule and no place is nearer than that.
    """
    if ground.vessels is None or not len(radii_mm) or not len(ground.vessel_mm):
        return None
    found = np.maximum(ground.vessel_distances(centres_mm), radii_mm + NODULE_BLUR_MM)
    sizes = _few(radii_mm)
    chance = np.maximum(ground.vessel_mm, sizes[:, None] + NODULE_BLUR_MM)
    return float(np.median(found) / np.median(chance))


def slope(found: Floats, places: Floats) -> float | None:
    """The b of a density exp(b t) from t of nodules (N,) and places (M,); None with too few nodules."""
    if len(found) < FEWEST or not len(places):
        return None
    target, b = float(found.mean()), 0.0
    for _ in range(_STEPS):
        weight = np.exp(b * (places - places.mean()))
        weight /= weight.sum()
        mean = float(weight @ places)
        wide = float(weight @ (places - mean) ** 2)
        step = float(np.clip((target - mean) / max(wide, 1e-9), -2.0, 2.0))
        b = float(np.clip(b + step, -MOST_SLOPE, MOST_SLOPE))
        if abs(step) < 1e-6:
            break
    return b


def _few(radii_mm: Floats) -> Floats:
    """Up to `SIZES` quantiles of the radii."""
    ranks = (np.arange(SIZES) + 0.5) / SIZES
    return np.asarray(np.quantile(radii_mm, ranks)) if len(radii_mm) > SIZES else radii_mm
