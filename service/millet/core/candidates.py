"""Candidates that mean the same thing become one; nothing else is lost, however many there are.

Two candidates are the same when their centres are nearer than a fraction of the larger radius. The
better score stays. Overlap of boxes or balls is never asked: on a miliary scan neighbours touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from millet.core.nodule import Candidate


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Highest score first; equal scores by place, so that the order never depends on the input's."""
    return sorted(candidates, key=lambda c: (-c.score, c.centre_mm, c.diameter_mm))


def merge(candidates: Iterable[Candidate], distance_radii: float) -> tuple[Candidate, ...]:
    """One candidate for each place, highest score first.

    Args:
        candidates: in any order; it does not change the result.
        distance_radii: `Manifest.merge_distance`.
    """
    ordered = ranked(candidates)
    if not ordered:
        return ()
    gone = np.zeros(len(ordered), bool)
    neighbours = _neighbours(ordered, distance_radii)
    for number, near in enumerate(neighbours):
        if not gone[number]:
            gone[[n for n in near if n > number]] = True
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
