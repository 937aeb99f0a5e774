"""What was found against what is there: one to one, the most pairs, then the nearest.

Only points and nodules within reach of each other are ever looked at, so that thousands of both cost
seconds and no square of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from millet.core.geometry import Floats

LEAST_REACH_MM = 1.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Pairs of (index found, index true), and who stayed alone."""

    pairs: tuple[tuple[int, int], ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]
    spared: tuple[int, ...] = ()
    """Spare points that stayed alone, which are not false."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Near:
    """Every (found, true) within reach of each other: two indices and a distance in mm, ordered by true."""

    found: NDArray[np.intp]
    true: NDArray[np.intp]
    distance_mm: Floats


def near(found_mm: Floats, true_mm: Floats, diameters_mm: Floats) -> Near:
    """Which of (N, 3) points may stand for which of (M, 3) nodules of diameter (M,).

    A point may when it lies within half the nodule's diameter, and `LEAST_REACH_MM` in any case.
    """
    found, true = np.asarray(found_mm, float).reshape(-1, 3), np.asarray(true_mm, float).reshape(-1, 3)
    reach = np.maximum(np.asarray(diameters_mm, float) / 2, LEAST_REACH_MM)
    hits = cKDTree(found).query_ball_point(true, reach) if len(found) and len(true) else []
    f = np.fromiter((i for some in hits for i in sorted(some)), np.intp)
    t = np.repeat(np.arange(len(hits)), [len(some) for some in hits]).astype(np.intp)
    return Near(found=f, true=t, distance_mm=np.linalg.norm(found[f] - true[t], axis=1))


def within(points_mm: Floats, centres_mm: Floats, diameters_mm: Floats) -> Mask:
    """Whether each of (N, 3) points may stand for any of the (M, 3) centres of diameter (M,)."""
    points = np.asarray(points_mm, float).reshape(-1, 3)
    inside = np.zeros(len(points), bool)
    inside[near(points, centres_mm, diameters_mm).found] = True
    return inside


def match(
    found_mm: Floats, true_mm: Floats, diameters_mm: Floats, spare: Sequence[bool] | Mask | None = None
) -> Matching:
    """Match (N, 3) points to (M, 3) true centres, each at most once.

    Of all matchings with the most pairs one that uses the fewest spare points is taken, and of these
    one of least total distance (Hungarian; Jonker and Volgenant, Computing 38:325, 1987, on the sparse
    graph of `near`).

    Args:
        found_mm: points, in any order.
        true_mm: centres of what is there.
        diameters_mm: (M,), see `near`.
        spare: (N,), points that may stand for a nodule but are not false when they do not.
    """
    count, total = np.asarray(found_mm).size // 3, np.asarray(true_mm).size // 3
    spared = np.zeros(count, bool) if spare is None else np.asarray(spare, bool)
    reach = near(found_mm, true_mm, diameters_mm)
    pairs = _assigned(reach, spared, count, total)
    taken_found, taken_true = {f for f, _ in pairs}, {t for _, t in pairs}
    alone = [f for f in range(count) if f not in taken_found]
    return Matching(
        pairs=pairs,
        false=tuple(f for f in alone if not spared[f]),
        missed=tuple(t for t in range(total) if t not in taken_true),
        spared=tuple(f for f in alone if spared[f]),
    )


def _assigned(reach: Near, spared: Mask, count: int, total: int) -> tuple[tuple[int, int], ...]:
    """The pairs, by true. Each nodule may also take a column of its own, dearer than any pair: missed."""
    if not len(reach.true):
        return ()
    tier = float(reach.distance_mm.sum()) + 1 if spared.any() else 0.0
    cost = 1 + reach.distance_mm + tier * spared[reach.found]  # above nought, which a sparse matrix forgets
    alone = np.arange(total)
    far = float(np.bincount(reach.true, cost).max()) * (total + 1)
    graph = coo_array(
        (
            np.concatenate([cost, np.full(total, far)]),
            (np.concatenate([reach.true, alone]), np.concatenate([reach.found, count + alone])),
        ),
        shape=(total, count + total),
    )
    rows, columns = min_weight_full_bipartite_matching(graph.tocsr())
    return tuple((int(f), int(t)) for t, f in zip(rows, columns, strict=True) if f < count)
