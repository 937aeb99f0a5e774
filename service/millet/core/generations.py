"""The same nodule in two generations of one series: it lies where it lay, and keeps its name.

Both generations are places in one frame of reference and one scan, so no registration is asked: what a late
slice changes is where a nodule that it cuts has its middle. Pairs are one to one, the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from millet.core.nodule import Nodule

NEAR_MM = 1.5
"""Two centres this near are one nodule however small it is; of a larger one half its diameter."""


def named(now: Sequence[Nodule], before: Sequence[Nodule]) -> tuple[Nodule, ...]:
    """The nodules of a generation with the names that they had in an earlier one; others keep their own."""
    names = {number: before[known].nodule_id for known, number in _pairs(before, now)}
    return tuple(
        replace(one, nodule_id=names[number], tracking_uid=names[number]) if number in names else one
        for number, one in enumerate(now)
    )


def _pairs(before: Sequence[Nodule], now: Sequence[Nodule]) -> Iterator[tuple[int, int]]:
    """Index before, index now."""
    taken: tuple[set[int], set[int]] = set(), set()
    for _, one, other in sorted(_near(before, now)):
        if one not in taken[0] and other not in taken[1]:
            taken[0].add(one)
            taken[1].add(other)
            yield one, other


def _near(before: Sequence[Nodule], now: Sequence[Nodule]) -> Iterator[tuple[float, int, int]]:
    """Distances in mm, and which; equal ones go by number."""
    if not before or not now:
        return
    places = np.asarray([one.centre_mm for one in before], float)
    reach = [max(NEAR_MM, one.diameter_mm / 2) for one in before]
    tree = cKDTree(np.asarray([one.centre_mm for one in now], float))
    for one, found in enumerate(tree.query_ball_point(places, reach)):
        for other in found:
            yield float(np.linalg.norm(tree.data[other] - places[one])), one, other
