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
from millet.core.components import Components

MOST_EROSIONS = 6
LEAST_SHARE = 0.1
"""Of the larger part: a smaller one is no lung, but a piece of one."""
_RUNGS = (4, 16, 64, 256)
"""Squares of distances in voxels by which the parts are grown to find what is near to one of them alone."""

Labels = NDArray[np.uint8]


def told_apart(air: Mask, middle: float) -> Labels:
    """Label air 1 (right) and 2 (left).

    A lung that stands alone falls in two as well, an upper part and a lower one: it keeps one label, by
    the side of the body's `middle` (along x) that it lies on.
    """
    eroded = Bits.of(air, 1)
    for erosions in range(MOST_EROSIONS + 1):
        parts = Components.of(eroded.mask() if erosions else air, 6)
        pair = _pair(parts)
        if pair is not None:
            return _shared(air, parts, pair)
        eroded = eroded.shrunk(1)
    columns = np.count_nonzero(air, axis=(0, 1))
    return air.astype(np.uint8) * np.uint8(2 if _mean(columns) > middle else 1)


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


def _shared(air: Mask, parts: Components, pair: tuple[int, int]) -> Labels:
    """Give each voxel of air the label of the nearer part."""
    seeds = [parts.labels == label for label in pair]
    labels = seeds[0].view(np.uint8) + seeds[1].view(np.uint8) * np.uint8(2)
    rest = air & (labels == 0)
    if not rest.any():
        return labels
    doubtful = _by_reach(labels, rest, seeds)
    if len(doubtful):
        labels[tuple(doubtful.T)] = _nearer(doubtful, seeds)
    return labels


def _by_reach(labels: Labels, rest: Mask, seeds: list[Mask]) -> NDArray[np.intp]:
    """Label what one part reaches before the other; give back what both reach at a rung, or neither."""
    margin = max(int(square**0.5) for square in _RUNGS)
    packed = [Bits.of(seed, margin) for seed in seeds]
    both = np.zeros_like(rest)
    for square in _RUNGS:
        right, left = (seed.grown(square).mask() for seed in packed)
        labels[rest & right & ~left] = 1
        labels[rest & left & ~right] = 2
        both |= rest & right & left
        rest = rest & ~right & ~left
        if not rest.any():
            break
    return np.argwhere(both | rest)


def _nearer(points: NDArray[np.intp], seeds: list[Mask]) -> Labels:
    """The label of the nearer part for each of (N, 3) voxels outside both."""
    edges = [np.argwhere(seed & ~Bits.of(seed, 1).shrunk(1).mask()) for seed in seeds]
    trees = [cKDTree(edge) for edge in edges]
    right, left = (np.rint(tree.query(points)[0] ** 2).astype(int) for tree in trees)
    labels = np.where(right <= left, 1, 2).astype(np.uint8)
    for tie in np.flatnonzero(right == left):
        reach = float(right[tie]) ** 0.5 + 1e-6
        nearest = [
            min(tuple(edge[at][::-1]) for at in tree.query_ball_point(points[tie], reach))
            for edge, tree in zip(edges, trees, strict=True)
        ]
        labels[tie] = 1 if nearest[0] < nearest[1] else 2
    return labels
