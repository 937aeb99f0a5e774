"""Nodules at random in two plain lungs: what counting rules are tried on."""

from __future__ import annotations

import math

import numpy as np

from millet.core.geometry import Floats, PointMm
from millet.core.nodule import Candidate

HALF_MM = (51.5, 80.0, 130.0)
"""Half the width, depth and height of a lung, an ellipsoid; the two have 4.49 litres."""
MIDDLE_MM = 70.0
"""How far from the midline a lung's centre lies."""
LITRES = 2 * 4 / 3 * math.pi * math.prod(HALF_MM) / 1e6
EXTENT_MM = (MIDDLE_MM + HALF_MM[0], HALF_MM[1], HALF_MM[2])
"""Half the box around both lungs, whose middle is the origin."""
DIAMETERS_MM = (1.5, 5.0)


def in_lungs(points_mm: Floats) -> Floats:
    """For (N, 3) points in LPS, 0 outside, 1 in the right lung, 2 in the left."""
    sides = np.where(points_mm[:, 0] < 0, -1.0, 1.0)
    offset = points_mm - np.outer(sides, (MIDDLE_MM, 0.0, 0.0))
    inside = ((offset / HALF_MM) ** 2).sum(axis=1) <= 1
    return np.where(inside, np.where(sides < 0, 1.0, 2.0), 0.0)


def scattered(count: int, seed: int) -> tuple[Candidate, ...]:
    """Perfect candidates for nodules of 1.5 to 5 mm, anywhere in the lungs, none within another.

    Their scores are high, different and without meaning: rules that keep the best of some keep them by
    chance. Deterministic in `seed`.
    """
    rng = np.random.default_rng(seed)
    centres, diameters = np.zeros((count, 3)), np.zeros(count)
    for number in range(count):
        diameters[number] = rng.uniform(*DIAMETERS_MM)
        reach = (diameters[:number] + diameters[number]) / 2
        centres[number] = _free_place(centres[:number], reach, rng)
    scores = rng.permutation(np.linspace(0.9, 1.0, count, endpoint=False))
    return tuple(
        Candidate(centre_mm=PointMm(*centre), diameter_mm=diameter, score=score)
        for centre, diameter, score in zip(centres.tolist(), diameters.tolist(), scores.tolist(), strict=True)
    )


def _free_place(centres: Floats, reach: Floats, rng: np.random.Generator) -> Floats:
    while True:
        place = rng.uniform(-1, 1, 3) * EXTENT_MM
        if in_lungs(place[None])[0] and (((centres - place) ** 2).sum(axis=1) > reach**2).all():
            return place
