"""Which nodule of one exam is which of another: one to one, the likeliest of all ways to pair them.

A pair gains the logarithm of its odds: how likely its distance is where the registration is known so well
or so badly, against a chance neighbour where nodules lie so densely, and how usual its change of size is.
Only pairs that gain anything are looked at, a handful for each nodule, and of those the one-to-one choice
with the greatest gain is taken (Jonker and Volgenant, Computing 38:325, 1987, on the sparse graph).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.core.registration import STAYING, crowding, density

SIZE_SPREAD = 0.6
"""Standard deviation of the logarithm of how much volumes change, around what is usual in this exam."""
MOST_SIZE_COST = 3.0
"""One that changed much more than the others is still the same if it lies in the same place."""
_PARTNERS = 8
_SURE = 6.0
"""Standard deviations beyond which nobody is looked for."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spots:
    """Nodules as matching sees them: (N, 3) places in mm and (N,) logarithms of their volumes."""

    places_mm: Floats
    sizes: Floats


def match(prior: Spots, doubt: Floats, current: Spots) -> tuple[tuple[int, int], ...]:
    """The pairs (index prior, index current), by prior; who is in none stayed alone.

    `prior` lies where it would be in the current exam, known up to covariances `doubt` (N, 3, 3) in mm2.
    """
    if not len(prior.places_mm) or not len(current.places_mm):
        return ()
    one, other, gain = _gains(prior, doubt, current)
    return _assigned((one, other), gain, len(prior.places_mm), len(current.places_mm))


def _gains(prior: Spots, doubt: Floats, current: Spots) -> tuple[Indices, Indices, Floats]:
    """Pairs that are likelier than none: two indices and what each gains."""
    tree = cKDTree(current.places_mm)
    reach = _SURE * float(np.sqrt(np.linalg.eigvalsh(doubt)[:, -1].max()))
    count = min(_PARTNERS, tree.n)
    far, near = tree.query(prior.places_mm, k=count, distance_upper_bound=reach)
    far, near = far.reshape(-1, count), near.reshape(-1, count)
    there = np.isfinite(far)
    near = np.where(there, near, 0)
    likely = density(tree.data[near] - prior.places_mm[:, None], doubt) / crowding(tree)[near]
    with np.errstate(divide="ignore"):
        odds = np.where(there, np.log(likely * STAYING / (1 - STAYING)), -np.inf)
    change = current.sizes[near] - prior.sizes[:, None]
    close = change[:, 0][odds[:, 0] > 0]
    usual = float(np.median(close)) if len(close) else 0.0
    odds -= np.minimum(((change - usual) / SIZE_SPREAD) ** 2 / 2, MOST_SIZE_COST)
    one, place = np.nonzero(odds > 0)
    return one, near[one, place], odds[one, place]


def _assigned(
    pairs: tuple[Indices, Indices], gain: Floats, count: int, total: int
) -> tuple[tuple[int, int], ...]:
    """Each of the prior may also take a column of its own, which gains nothing: alone."""
    alone = np.arange(count)
    worst = float(gain.max(initial=0.0)) + 1.0
    cost = np.concatenate([worst - gain, np.full(count, worst)])
    rows, columns = np.concatenate([pairs[0], alone]), np.concatenate([pairs[1], total + alone])
    graph = coo_array((cost, (rows, columns)), shape=(count, total + count)).tocsr()
    found = zip(*min_weight_full_bipartite_matching(graph), strict=True)
    return tuple((int(one), int(other)) for one, other in found if other < total)
