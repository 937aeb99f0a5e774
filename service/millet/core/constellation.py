"""Where a prior lies of which only its nodules are known: the shift that most pairs of nodules agree on.

For exams that somebody else read. Every pair of a prior and a current nodule votes for the shift between
them; true pairs vote alike, the others at random.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from millet.core.geometry import Floats

REACH_MM = 120.0
"""How far the table may have been moved."""
CELL_MM = 8.0
LEAST_VOTES = 3
"""Two nodules agree by chance; from three on it is a constellation."""
LEAST_SHARE = 0.3
"""Of the shorter list."""
SIGMAS = 5.0
_MOST = 1500


def shift(prior_mm: Floats, current_mm: Floats) -> Floats | None:
    """(3,) from (N, 3) prior to (M, 3) current nodules, to some millimetres; None where none stands out."""
    prior, current = _few(prior_mm), _few(current_mm)
    voted = (current[None] - prior[:, None]).reshape(-1, 3)
    voted = voted[(np.abs(voted) < REACH_MM).all(axis=1)]
    if len(voted) < LEAST_VOTES:
        return None
    cells = int(2 * REACH_MM / CELL_MM)
    votes, _ = np.histogramdd(voted, bins=cells, range=[(-REACH_MM, REACH_MM)] * 3)
    around = ndimage.convolve(votes, np.ones((3, 3, 3)), mode="constant")
    peak = np.unravel_index(int(np.argmax(around)), around.shape)
    middle = (np.asarray(peak) + 0.5) * CELL_MM - REACH_MM
    chance = ndimage.uniform_filter(around, 9, mode="constant")[peak]
    needed = max(LEAST_VOTES, LEAST_SHARE * min(len(prior), len(current)), chance + SIGMAS * np.sqrt(chance))
    near = voted[(np.abs(voted - middle) <= 1.5 * CELL_MM).all(axis=1)]
    return np.asarray(np.median(near, axis=0)) if around[peak] >= needed else None


def _few(nodules: Floats) -> Floats:
    """Every so many, at most `_MOST`."""
    return nodules[:: max(-(-len(nodules) // _MOST), 1)]
