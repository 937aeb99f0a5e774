"""What was found against what is there: one to one, the most pairs, then the nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from millet.core.geometry import Floats

LEAST_REACH_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Pairs of (index found, index true), and who stayed alone."""

    pairs: tuple[tuple[int, int], ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]


def match(found_mm: Floats, true_mm: Floats, diameters_mm: Floats) -> Matching:
    """Match (N, 3) points to (M, 3) true centres, each at most once.

    A point may stand for a nodule when it lies within half its diameter, and `LEAST_REACH_MM` in any
    case. Of all matchings with the most pairs the one of least total distance is taken.
    """
    found, true = found_mm.reshape(-1, 3), true_mm.reshape(-1, 3)
    reach = np.maximum(diameters_mm / 2, LEAST_REACH_MM)
    far = float(reach.sum()) * 10 + 1
    near = cKDTree(found).query_ball_point(true, reach) if len(found) and len(true) else []
    cost = np.full((len(true), len(found)), far)
    for t, candidates in enumerate(near):
        cost[t, candidates] = np.linalg.norm(found[candidates] - true[t], axis=1)
    rows, columns = linear_sum_assignment(cost)
    pairs = tuple((int(f), int(t)) for t, f in zip(rows, columns, strict=True) if cost[t, f] < far)
    taken_found, taken_true = {f for f, _ in pairs}, {t for _, t in pairs}
    return Matching(
        pairs=pairs,
        false=tuple(f for f in range(len(found)) if f not in taken_found),
        missed=tuple(t for t in range(len(true)) if t not in taken_true),
    )
