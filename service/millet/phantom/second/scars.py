"""Scars: bowed bands of fibrosis that run from the pleura inwards."""

from __future__ import annotations

import numpy as np

from millet.phantom.second import clouds
from millet.phantom.second.anatomy import Chest
from millet.phantom.second.clouds import Cloud

SCAR_HU = 5.0
POINT_MM3 = 0.35**3


def scars(count: int, chest: Chest, rng: np.random.Generator) -> Cloud:
    """`count` bands of 12 to 45 mm, 0.8 to 2.2 mm thick, each from a place at the pleura."""
    rim = np.argwhere((chest.lung < -1.0) & (chest.lung > -4.0))
    found = []
    for _ in range(count if len(rim) else 0):
        start = chest.frame.grid.to_patient_array(rim[rng.integers(len(rim))][None].astype(float))[0]
        inwards = -start * (1, 1, 0.5) + rng.normal(0, 25, 3)
        inwards /= np.linalg.norm(inwards)
        aside = np.cross(inwards, rng.normal(size=3))
        aside /= np.linalg.norm(aside)
        axes = np.stack([inwards, aside, np.cross(inwards, aside)])
        halfs = (rng.uniform(6, 22) * chest.frame.scale**0.5, rng.uniform(3, 9))
        points = clouds.sheet(start + 0.8 * halfs[0] * inwards, axes, halfs, rng.uniform(0.8, 2.2), 0.012)
        points = points[chest.lung_at(points) > -1.0]
        found.append(clouds.cloud(points, np.full(len(points), POINT_MM3), SCAR_HU))
    return clouds.together(found)
