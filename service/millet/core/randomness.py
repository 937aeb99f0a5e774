"""Is a pattern of nodules random? Clark-Evans and Ripley, against patterns drawn into the same lungs.

Theory of operation. Lungs have a shape, so no formula says what random nodules look like in them; other
nodules dropped into the same lungs do. Both statistics are made alike of what was found and of each of the
`SIMULATIONS` patterns, so under the hypothesis the rank of what was found is even, and the test is exact
whatever the shape (Besag and Diggle, Appl Statist 26:327, 1977).

Two nodules that touch are found as one, so pairs nearer than `APART_MM` from surface to surface are left out
of both statistics, in what was found and in what was drawn; that stands in for a hard core at no cost.

Clark-Evans (Ecology 35:445, 1954): the mean distance to the nearest neighbour over its mean in the drawn
patterns; below 1 clustered, above 1 regular. Ripley (J Appl Prob 13:255, 1976): pairs within r, as L(r) - r;
the drawn patterns stand in for the edge correction. Its test is one over all radii: the largest deviation in
units of its own spread (studentised global envelope: Myllymaki et al., J R Stat Soc B 79:381, 2017).

Cost is bounded: above `MOST` nodules, Ripley is made of that many of them (thinning leaves K as it is), and
the test of Clark-Evans asks that many for their neighbours, who are all there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from millet.core.geometry import Floats
from millet.core.ground import SEED, Ground
from millet.core.spread import Envelope, Randomness

SIMULATIONS = 199
MOST = 400
FEWEST = 20
APART_MM = 1.0
STEP_MM = 3.0
RADII_MM = tuple(STEP_MM * k for k in range(1, 11))
LEVEL = 0.05


class Seen(NamedTuple):
    """The two statistics of one pattern."""

    neighbour_mm: float
    """Mean distance to the nearest neighbour, of those who touch none."""
    pairs: Floats
    """Pairs that do not touch, within each of `RADII_MM`."""


def randomness(ground: Ground, centres_mm: Floats, diameters_mm: Floats) -> Randomness | None:
    """Test nodules at (N, 3) of diameters (N,); None with fewer than `FEWEST`, or where all touch."""
    count = len(centres_mm)
    if count < FEWEST or not len(ground.rim) or not len(ground.inner):
        return None
    order = np.random.default_rng([SEED, 1]).permutation(count)
    centres, radii = centres_mm[order], diameters_mm[order] / 2
    seen = [_seen(centres, radii)]
    seen += [_seen(pattern, radii) for pattern in ground.drawn(SIMULATIONS, centres)]
    near = np.asarray([one.neighbour_mm for one in seen])
    if not np.isfinite(near).all():
        return None
    ripley, ripley_p = _ripley(np.stack([one.pairs for one in seen]))
    whole = _neighbour_mm(cKDTree(centres), centres, radii)
    return Randomness(
        simulations=SIMULATIONS,
        clark_evans=round(whole / float(near[1:].mean()), 4),
        clark_evans_p=_two_sided(near),
        ripley=ripley,
        ripley_p=ripley_p,
    )


def _seen(centres: Floats, radii: Floats) -> Seen:
    tree = cKDTree(centres, balanced_tree=False, compact_nodes=False)
    few = centres[:MOST]
    near = _neighbour_mm(tree, few, radii)
    if len(few) < len(centres):
        tree = cKDTree(few, balanced_tree=False, compact_nodes=False)
    one, other = tree.query_pairs(RADII_MM[-1], output_type="ndarray").T
    off = few.take(one, axis=0)
    off -= few.take(other, axis=0)
    gap = np.sqrt(np.einsum("ij,ij->i", off, off))
    apart = gap >= radii.take(one) + radii.take(other) + APART_MM
    bins = np.bincount((gap / STEP_MM).astype(np.int64), apart, len(RADII_MM))
    return Seen(neighbour_mm=near, pairs=bins[: len(RADII_MM)].cumsum())


def _neighbour_mm(tree: cKDTree, asked: Floats, radii: Floats) -> float:
    """In the mean, of the nodules of the tree that are asked; these are its first."""
    far, which = tree.query(asked, k=[2])
    apart = far[:, 0] >= radii[: len(asked)] + radii[which[:, 0]] + APART_MM
    return float(far[apart, 0].mean()) if apart.any() else np.nan


def _two_sided(values: Floats) -> float:
    """The rank of the first among all, counted from the nearer end, twice."""
    low, high = int((values <= values[0]).sum()), int((values >= values[0]).sum())
    return min(2 * min(low, high) / len(values), 1.0)


def _ripley(pairs: Floats) -> tuple[tuple[Envelope, ...], float]:
    """Envelopes and p from pairs (1 + simulations, radii), what was found first."""
    radii = np.asarray(RADII_MM)
    middle = pairs.mean(axis=0)
    told = middle > 0
    lengths = radii[told] * (pairs[:, told] / middle[told]) ** (1 / 3)
    mean, wide = lengths.mean(axis=0), lengths.std(axis=0)
    off = np.abs(lengths - mean) / np.where(wide > 0, wide, 1.0)
    worst = off.max(axis=1, initial=0.0)
    allowed = np.sort(worst)[int(np.ceil((1 - LEVEL) * len(worst))) - 1]
    rows = zip(radii[told], lengths[0], mean - allowed * wide, mean + allowed * wide, strict=True)
    envelopes = tuple(
        Envelope(
            radius_mm=float(r),
            observed_mm=round(float(found - r), 4),
            low_mm=round(float(low - r), 4),
            high_mm=round(float(high - r), 4),
        )
        for r, found, low, high in rows
    )
    return envelopes, float((worst >= worst[0]).mean())
