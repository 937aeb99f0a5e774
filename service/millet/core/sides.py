"""Which air is of the right lung and which of the left: where it comes apart, and what lies nearer.

Lungs that touch before the heart or behind it are one body of air. It is eroded until it falls in two side
by side; every voxel then goes to the part that is nearer. Of parts as near as each other the one that holds
the nearest voxel farthest right (of these the foremost, then the lowest) has it, so the sides are a
function of the air alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.bits import Bits, Mask
from millet.core.components import Components, extent

MOST_EROSIONS = 6
LEAST_SHARE = 0.1
"""Of the larger part: a smaller one is no lung, but a piece of one."""
_REACHES = (2, 4, 8)
"""Distances in voxels by which the parts are grown to find what is near to one of them alone."""

Labels = NDArray[np.uint8]


def told_apart(air: Mask) -> Labels | None:
    """Label air 1 (right) and 2 (left); None for a lung that stands alone.

    That falls in two as well, an upper part and a lower one, but not side by side.
    """
    eroded = Bits.of(air, 1)
    for erosions in range(MOST_EROSIONS + 1):
        parts = Components.of(eroded.mask() if erosions else air, 6)
        pair = _pair(parts)
        if pair is not None:
            right, left = ((parts.labels == label).view(np.uint8) for label in pair)
            return _shared(air, right + left * np.uint8(2))
        eroded = eroded.shrunk(1)
    return None


def _pair(parts: Components) -> tuple[int, int] | None:
    """The two largest components, right before left, if they are two lungs."""
    sizes = parts.sizes()
    if len(sizes) < 3:
        return None
    first, second = (int(label) for label in np.argsort(-sizes)[:2])
    if sizes[second] <= LEAST_SHARE * sizes[first]:
        return None
    one, other = parts.columns(first), parts.columns(second)
    if not (_beyond(_mean(one), other) and _beyond(_mean(other), one)):
        return None
    return (second, first) if _mean(one) > _mean(other) else (first, second)


def _mean(columns: NDArray[np.integer]) -> float:
    return float((columns * np.arange(len(columns))).sum() / columns.sum())


def _beyond(column: float, columns: NDArray[np.integer]) -> bool:
    """Whether a column lies outside the middle four fifths of the voxels."""
    return not _quantile(columns, 0.1) <= column <= _quantile(columns, 0.9)


def _quantile(columns: NDArray[np.integer], share: float) -> float:
    """The quantile of voxels by their column, interpolated linearly."""
    ends = np.cumsum(columns)
    place = (int(ends[-1]) - 1) * share
    low, high = np.searchsorted(ends, (np.floor(place), np.ceil(place)), side="right")
    return float(low + (high - low) * (place - np.floor(place)))


def _shared(air: Mask, seeds: Labels) -> Labels:
    """Give each voxel of air the label of the nearer part.

    The parts are grown by larger and larger balls: what only one of them reaches is its own. The little
    that both reach with the same ball, and what is far from both, is measured.
    """
    labels, rest = seeds.copy(), air & (seeds == 0)
    doubtful, enough = np.zeros_like(rest), max(air.shape)
    for reach in _REACHES:
        box = _around(rest, reach)
        if box is None:
            enough = _REACHES[-1]
            break
        near, found, todo = seeds[box], labels[box], rest[box]
        right, left = (Bits.of(near == label, reach).grown(reach**2).mask() for label in (1, 2))
        found[todo & right & ~left] = 1
        found[todo & left & ~right] = 2
        doubtful[box] |= todo & right & left
        todo &= ~(right | left)
    doubtful |= rest
    box = _around(doubtful, enough)
    if box is not None:
        points = np.argwhere(doubtful[box])
        labels[box][tuple(points.T)] = _nearer(points, [seeds[box] == label for label in (1, 2)])
    return labels


def _around(mask: Mask, reach: int) -> tuple[slice, ...] | None:
    """The box of a mask and what lies within `reach` voxels of it."""
    box = extent(mask)
    return box and tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)


def _nearer(points: NDArray[np.intp], parts: list[Mask]) -> Labels:
    """The label of the nearer part for each of (N, 3) voxels outside both."""
    edges = [np.argwhere(part & ~Bits.of(part, 1).shrunk(1).mask()) for part in parts]
    trees = [cKDTree(edge, compact_nodes=False, balanced_tree=False) for edge in edges]
    right, left = (np.rint(tree.query(points)[0] ** 2).astype(int) for tree in trees)
    labels = np.where(right <= left, 1, 2).astype(np.uint8)
    for tie in np.flatnonzero(right == left):
        far = float(right[tie]) ** 0.5 + 1e-6
        first = [
            min(tuple(edge[at][::-1]) for at in tree.query_ball_point(points[tie], far))
            for edge, tree in zip(edges, trees, strict=True)
        ]
        labels[tie] = 1 if first[0] < first[1] else 2
    return labels
