"""Candidates that mean the same thing become one; nothing else is lost, however many there are.

Of two candidates of like size whose centres are nearer than a fraction of the larger radius the better
score stays, unless lung lies between them. Of two of unlike size only the smaller can go, and only into
a larger one that is tissue in its middle and hangs together with it: a bump is part of its mass, but
neither does a bump replace the mass nor a blur of many small nodules swallow them. Overlap of boxes or
balls is never asked: on a miliary scan neighbours touch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.core.lungs import LUNG_HU
from millet.core.nodule import Candidate
from millet.core.volume import Volume

Ranks = NDArray[np.int_]

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
    centres = np.asarray([c.centre_mm for c in ordered], float)
    diameters = np.asarray([c.diameter_mm for c in ordered])
    gone = [False] * len(ordered)
    better, other = _neighbours(centres, diameters / 2 * distance_radii)
    same = _same(better, other, centres, diameters, volume)
    for one, lost in zip(better[same].tolist(), other[same].tolist(), strict=True):
        gone[lost] |= not gone[one]
    return tuple(c for c, lost in zip(ordered, gone, strict=True) if not lost)


def _neighbours(centres: Floats, reach: Floats) -> tuple[Ranks, Ranks]:
    """Pairs whose centres lie within reach of the larger of the two: better and other, in that order."""
    tree = cKDTree(centres)
    crowded = np.flatnonzero(tree.query_ball_point(centres, reach, return_length=True) > 1)
    pairs = {
        (min(one, two), max(one, two))
        for one, found in zip(
            crowded.tolist(), tree.query_ball_point(centres[crowded], reach[crowded]), strict=True
        )
        for two in found
        if one != two
    }
    better, other = np.asarray(sorted(pairs), int).reshape(-1, 2).T
    return better, other


def _same(
    better: Ranks, other: Ranks, centres: Floats, diameters: Floats, volume: Volume
) -> NDArray[np.bool_]:
    """Of which pairs of near candidates the one of the lower score says nothing new."""
    same = diameters[other] <= LIKE_SIZE * diameters[better]
    unlike = same & (diameters[better] > LIKE_SIZE * diameters[other])
    larger, which = np.unique(better[unlike], return_inverse=True)
    same[unlike] = _is_tissue(centres[larger], diameters[larger], volume)[which]
    same[same] = ~_lung_between(centres[better[same]], centres[other[same]], volume)
    return same


def _is_tissue(centres: Floats, diameters: Floats, volume: Volume) -> NDArray[np.bool_]:
    """Whether the inner half of each candidate is tissue and not a blur of small things in lung."""
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 7)] * 3), -1).reshape(-1, 3)
    ball = steps[(steps**2).sum(axis=1) <= 1]
    points = ball * diameters[:, None, None] / 4 + centres[:, None]
    hu = _hu(volume, points.reshape(-1, 3)).reshape(len(centres), len(ball))
    tissue: NDArray[np.bool_] = np.median(hu, axis=1) > TISSUE_FROM_HU
    return tissue


def _lung_between(starts: Floats, ends: Floats, volume: Volume) -> NDArray[np.bool_]:
    """Whether HU fall half-way to lung somewhere between the centres of each pair."""
    if not len(starts):
        return np.zeros(0, bool)
    way = ends - starts
    steps = 1 + (np.sqrt((way**2).sum(axis=1)) / STEP_MM).astype(int)
    first = np.concatenate([[0], np.cumsum(steps + 1)[:-1]])
    pair = np.repeat(np.arange(len(starts)), steps + 1)
    step = np.arange(len(pair)) - first[pair]
    points = starts[pair] + step[:, None] * (way / steps[:, None])[pair]
    points[first + steps] = ends
    hu = _hu(volume, points)
    bar = (np.minimum(hu[first], hu[first + steps]) + LUNG_HU) / 2
    between: NDArray[np.bool_] = np.minimum.reduceat(hu, first) < bar
    return between


def _hu(volume: Volume, points_mm: Floats) -> Floats:
    """HU of the voxels nearest to (N, 3) points."""
    voxels = np.rint(volume.grid.to_index_array(points_mm)).astype(int)
    inside = np.clip(voxels, 0, np.asarray(volume.grid.shape) - 1)
    return np.asarray(volume.hu[tuple(inside.T)], float)
