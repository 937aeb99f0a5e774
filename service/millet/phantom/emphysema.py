"""Emphysema: holes in the parenchyma, without walls, more of them towards the apex."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, special

from millet.phantom.anatomy import HIGH_Z_MM, LOW_Z_MM, Chest
from millet.phantom.shapes import Field

HOLE_HU = (-1000.0, -960.0)
"""Within what -950 HU on thin slices is taken to bound (Gevenois, AJRCCM 154:187, 1996)."""
HOLE_MM = 2.6
"""Standard deviation of the smoothing that sets how large holes are: about 4 to 15 mm."""
APEX = 1.2
"""How much likelier the top of the lung is destroyed than its base, in standard deviations."""
GONE = 0.75
"""How far lung of -868 HU is destroyed at -950 HU, below which it counts as emphysema."""
_SOFT = 0.12


def holes(chest: Chest, share: float, rng: np.random.Generator) -> Field | None:
    """How far each voxel of the chest's grid is destroyed, 0..1; a `share` of the lungs `GONE` or further.

    None for a share of 0.
    """
    if share <= 0:
        return None
    grid = chest.grid
    random = ndimage.gaussian_filter(
        rng.standard_normal(grid.shape, np.float32), HOLE_MM / grid.spacing_mm[0]
    )
    random /= random.std()
    z = (grid.origin_mm.z + grid.spacing_mm[0] * np.arange(grid.shape[0])) / chest.scale
    height = ((z - LOW_Z_MM) / (HIGH_Z_MM - LOW_Z_MM)).astype(np.float32)
    random += np.float32(APEX) * height[:, None, None]
    threshold = np.quantile(random[chest.lung < 0], 1 - share)
    above = (random - np.float32(threshold)) / np.float32(_SOFT)
    return np.asarray(special.expit(above + np.float32(special.logit(GONE))), np.float32)


def destroyed(lung_hu: Field, weight: Field, normal_hu: float) -> Field:
    """Parenchyma in HU with its holes; what varies in the tissue varies little in them."""
    middle = sum(HOLE_HU) / 2
    empty = np.clip(middle + 0.25 * (lung_hu - normal_hu), *HOLE_HU)
    return np.asarray(lung_hu + weight * (empty - lung_hu), np.float32)
