"""Candidates that mean the same thing become one; nothing else is lost, however many there are.

Of two candidates of like size whose centres are nearer than a fraction of the larger radius the better
score stays, unless lung lies between them. Of two of unlike size only the smaller can go, and only into
a larger one that is tissue in its middle and hangs together with it: a bump is part of its mass, but
neither does a bump replace the mass nor a blur of many small nodules swallow them. Overlap of boxes or
balls is never asked: on a miliary scan neighbours touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.core.lungs import LUNG_HU
from millet.core.nodule import Candidate
from millet.core.volume import Volume

LIKE_SIZE = 2.0
"""Diameters up to this ratio are alike."""
TISSUE_FROM_HU = -500.0
STEP_MM = 0.5
"""How closely voxels are looked at between two centres."""


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Highest score first; equal scores by place, so that the order never depends on the input's."""
    return sorted(candidates, key=lambda c: (-c.score, c.centre_mm, c.diameter_mm))


def merge(candidates: Iterable[Candidate], distance_radii: float, volume: Volume) -> tuple[Candidate, ...]:
    """One candidate for each thing, highest score first.

    Args:
        candidates: in any order; it does not change the result.
        distance_radii: `Manifest.merge_distance`.
        volume: the scan they were found in.
    """
    ordered = ranked(candidates)
    if not ordered:
        return ()
    gone = np.zeros(len(ordered), bool)
    for number, near in enumerate(_neighbours(ordered, distance_radii)):
        if not gone[number]:
            gone[[n for n in near if n > number and _same(ordered[number], ordered[n], volume)]] = True
    return tuple(c for c, lost in zip(ordered, gone, strict=True) if not lost)


def _neighbours(ordered: Sequence[Candidate], distance_radii: float) -> list[set[int]]:
    """For each candidate, those whose centre lies within reach of the larger of the two."""
    centres = np.asarray([c.centre_mm for c in ordered], float)
    reach = np.asarray([c.diameter_mm for c in ordered]) / 2 * distance_radii
    near: list[set[int]] = [set() for _ in ordered]
    tree = cKDTree(centres)
    for number, found in enumerate(tree.query_ball_point(centres, reach)):
        near[number].update(found)
        for other in found:
            near[other].add(number)
    return near


def _same(better: Candidate, other: Candidate, volume: Volume) -> bool:
    """Whether of two near candidates the one of the lower score says nothing new."""
    if other.diameter_mm > LIKE_SIZE * better.diameter_mm:
        return False
    if better.diameter_mm > LIKE_SIZE * other.diameter_mm and not _is_tissue(better, volume):
        return False
    return not _lung_between(better, other, volume)


def _is_tissue(candidate: Candidate, volume: Volume) -> bool:
    """Whether the inner half of a candidate is tissue and not a blur of small things in lung."""
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 7)] * 3), -1).reshape(-1, 3)
    ball = steps[(steps**2).sum(axis=1) <= 1] * candidate.diameter_mm / 4
    return bool(np.median(_hu(volume, ball + np.asarray(candidate.centre_mm))) > TISSUE_FROM_HU)


def _lung_between(one: Candidate, two: Candidate, volume: Volume) -> bool:
    """Whether HU fall half-way to lung somewhere between two centres."""
    start, end = np.asarray(one.centre_mm, float), np.asarray(two.centre_mm, float)
    count = 2 + int(np.linalg.norm(end - start) / STEP_MM)
    hu = _hu(volume, np.linspace(start, end, count))
    return bool(hu.min() < (min(hu[0], hu[-1]) + LUNG_HU) / 2)


def _hu(volume: Volume, points_mm: Floats) -> Floats:
    """HU of the voxels nearest to (N, 3) points."""
    voxels = np.rint(volume.grid.to_index_array(points_mm)).astype(int)
    inside = np.clip(voxels, 0, np.asarray(volume.grid.shape) - 1)
    return np.asarray(volume.hu[tuple(inside.T)], float)
