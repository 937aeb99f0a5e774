"""A smooth surface through the strongest sheet of a lung's columns: planes first, then bent to what is there.

Theory of operation. Every plane of moderate slope is judged by the strength that it passes through (a Hough
transform over two slopes and a height). The best few, which differ, are each bent: within a slab about the
surface the path of heights is sought that has most strength and fewest steps, rows and columns at once
(semi-global matching, Hirschmueller, IEEE PAMI 30:328, 2008), and a penalised tensor spline is fitted to
what supports it, outliers left out (Eilers and Marx, Stat Sci 11:89, 1996; Tukey-type weights). Slab and
stiffness shrink from step to step. What stays is the surface whose strength stands out most from that of
surfaces parallel to it, which pass through the same lung and the same vessels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Mask
from millet.core.columns import Floats32
from millet.core.geometry import Floats
from millet.core.ridges import Ridges
from millet.core.spline import Spline

PLANES = 5
STEEPEST = 4.0
"""Heights a cell, of the planes that are tried."""
SLOPES = 13
LEAST_SHARE = 0.35
"""Of the columns that hold lung: a surface that crosses fewer of them lies at the rim."""
HEARD = 0.5
"""Strength below which a plane is not told of it, and from which a cell supports a surface."""
UNSEEN = 0.6
"""Strength taken for cells that are no lung: as much as chance finds, so that a surface may run out of it."""
_STEEP_COSTS = 0.02
_NEAR = 4
"""Heights and, halved, slopes about a plane that are the same plane."""
_ASIDE = (4, 12)
"""Heights between which parallel surfaces lie."""


class Step(NamedTuple):
    """One round of bending."""

    reach: int
    """Heights above and below the surface that are looked at."""
    bend: float
    """What a step of one height from cell to cell costs, in strengths."""
    jump: float
    """What any step costs at most."""
    stiffness: float
    tolerance: float
    """Heights from the surface at which a cell has lost most of its weight."""


COARSE = (Step(14, 0.1, 2.0, 3.0, 6.0), Step(7, 0.15, 3.0, 0.5, 3.0))
FINE = (Step(7, 0.15, 3.0, 0.2, 2.0), Step(4, 0.2, 3.0, 0.1, 1.5))


class Relief(NamedTuple):
    """A surface over rows and columns, and what speaks for it."""

    heights: Floats
    support: Floats
    """Strength there, 0 to `ridges.STRONGEST`."""
    crossed: Mask
    """Where it lies in lung."""
    contrast: float
    """Mean strength over that of parallel surfaces."""


def relief(ridges: Ridges) -> Relief:
    """The surface that stands out most; whether it is enough is for the caller to say."""
    spline = Spline.over(ridges.strength.shape[:2], ridges.frame.step_mm[:2])
    best, most = None, -1.0
    surfaces = np.stack([*_planes(ridges)])
    for step in COARSE:
        surfaces = _bent(ridges, surfaces, step, spline)
    for surface in surfaces:
        found = _judged(ridges, surface)
        share = np.count_nonzero(found.crossed) / np.count_nonzero(ridges.looked.any(axis=2))
        worth = found.contrast * share**0.5 if share > LEAST_SHARE else 0.0
        if worth > most:
            best, most = surface[None], worth
    assert best is not None  # noqa: S101 - there are always planes
    for step in FINE:
        best = _bent(ridges, best, step, spline)
    return _judged(ridges, best[0])


def _planes(ridges: Ridges) -> Iterator[Floats]:
    """The best planes, none like another, as heights (row, column)."""
    table, slopes = _hough(*_halved(ridges))
    rows, columns, _ = ridges.strength.shape
    row, column = np.arange(rows)[:, None] - rows // 4 * 2, np.arange(columns)[None, :] - columns // 4 * 2
    for _ in range(PLANES):
        i, j, k = (int(v) for v in np.unravel_index(int(table.argmax()), table.shape))
        yield 2 * k + 0.5 + slopes[i] * row + slopes[j] * column
        near = [slice(max(at - _NEAR // 2, 0), at + _NEAR // 2 + 1) for at in (i, j)]
        table[near[0], near[1], max(k - _NEAR, 0) : k + _NEAR + 1] = -np.inf


def _halved(ridges: Ridges) -> tuple[Floats32, Mask]:
    """Strength over `HEARD` of every other row and column, the stronger of two heights, a little widened."""
    depth = ridges.strength.shape[2] // 2 * 2
    loud = np.maximum(ridges.strength[::2, ::2, :depth] - np.float32(HEARD), 0)
    looked = ridges.looked[::2, ::2, :depth]
    loud, looked = np.maximum(loud[..., ::2], loud[..., 1::2]), looked[..., ::2] | looked[..., 1::2]
    wide = loud.copy()
    np.maximum(wide[..., 1:], np.float32(0.7) * loud[..., :-1], out=wide[..., 1:])
    np.maximum(wide[..., :-1], np.float32(0.7) * loud[..., 1:], out=wide[..., :-1])
    return wide, looked


def _hough(strength: Floats32, looked: Mask) -> tuple[Floats, Floats]:
    """How far each plane (slope along rows, along columns, height) stands out, in standard errors."""
    heights, slopes = strength.shape[2], np.linspace(-STEEPEST, STEEPEST, SLOPES)
    row, column = np.nonzero(looked.any(axis=2))
    there = looked[row, column]
    mean, variance = float(strength[looked].mean()), float(strength[looked].var()) + 1e-9
    pad = ((0, 0), (heights // 2, heights // 2))
    values = np.pad(np.where(there, strength[row, column] - mean, 0), pad).astype(np.float32)
    counts = np.pad(there, pad).astype(np.float32)
    base = (np.arange(len(row)) * values.shape[1] + heights // 2)[:, None] + np.arange(heights)
    row, column = row - strength.shape[0] // 2, column - strength.shape[1] // 2
    table = np.empty((SLOPES, SLOPES, heights))
    for i, down in enumerate(slopes):
        for j, across in enumerate(slopes):
            lift = np.clip(np.rint(down * row + across * column), -(heights // 2), heights // 2).astype(int)
            at = base + lift[:, None]
            count = np.maximum(counts.take(at).sum(axis=0), 0.3 * len(row))
            table[i, j] = values.take(at).sum(axis=0) / np.sqrt(variance * count)
            table[i, j] -= _STEEP_COSTS * len(row) ** 0.5 * (down**2 + across**2) / STEEPEST**2
    return table, slopes


def _bent(ridges: Ridges, surfaces: Floats, step: Step, spline: Spline) -> Floats:
    """Surfaces (N, rows, columns) once more, nearer to what is there."""
    slabs, looked, first = _slabs(ridges, surfaces, step.reach)
    path = _paths(-np.where(looked, slabs, np.float32(UNSEEN)), step).argmin(axis=3)
    strength = np.take_along_axis(slabs, path[..., None], axis=3)[..., 0]
    weights = np.where(strength > 0.8 * HEARD, strength, 0)
    fits = zip(first + path, weights, strict=True)
    return np.stack([spline.fit(*fit, step.stiffness, step.tolerance) for fit in fits])


def _slabs(ridges: Ridges, surfaces: Floats, reach: int) -> tuple[Floats32, Mask, NDArray[np.int64]]:
    """Strength (N, row, column, 2 reach + 1) about surfaces and where it was looked for; first heights."""
    first = np.rint(surfaces).astype(np.int64) - reach
    at = first[..., None] + np.arange(2 * reach + 1)
    depth = ridges.strength.shape[2]
    within = (at >= 0) & (at < depth)
    at = np.clip(at, 0, depth - 1)
    slabs = np.take_along_axis(ridges.strength[None], at, axis=3) * within
    return slabs, np.take_along_axis(ridges.looked[None], at, axis=3) & within, first


def _paths(costs: Floats32, step: Step) -> Floats32:
    """What the cheapest paths to each cell and height of slabs cost, from all four sides together."""
    total = np.zeros_like(costs)
    for lines, totals in ((costs, total), (costs.swapaxes(1, 2), total.swapaxes(1, 2))):
        ways = np.stack([lines, lines[:, ::-1]], axis=1).transpose(2, 4, 0, 1, 3).copy()
        for before, here in pairwise(ways):
            np.add(here, _stepped(before, step), out=here)
        there, back = ways.transpose(3, 2, 0, 4, 1)
        np.add(totals, there, out=totals)
        np.add(totals, back[:, ::-1], out=totals)
    return total


def _stepped(costs: Floats32, step: Step) -> Floats32:
    """What it costs to be at each height (the first axis) of the next cell, over the cheapest of all."""
    ramp = (step.bend * np.arange(len(costs))).astype(np.float32).reshape(-1, 1, 1, 1)
    up = np.minimum.accumulate(costs - ramp) + ramp
    down = np.minimum.accumulate((costs + ramp)[::-1])[::-1] - ramp
    cheapest = np.minimum(up, down) - costs.min(axis=0)
    return np.asarray(np.minimum(cheapest, np.float32(step.jump)), np.float32)


def _judged(ridges: Ridges, surface: Floats) -> Relief:
    near, far = _ASIDE
    (slab,), _, _ = _slabs(ridges, surface[None], far + 1)
    loud = np.maximum(np.maximum(slab[..., :-2], slab[..., 1:-1]), slab[..., 2:])
    at = np.clip(np.rint(surface).astype(np.int64), 0, ridges.looked.shape[2] - 1)
    crossed = np.take_along_axis(ridges.looked, at[..., None], axis=2)[..., 0]
    crossed &= (surface >= 0) & (surface <= ridges.looked.shape[2] - 1)
    if not crossed.any():
        return Relief(surface, np.zeros_like(surface), crossed, 0.0)
    means = loud[crossed].mean(axis=0)
    aside = np.abs(np.arange(-far, far + 1)) >= near
    support = np.where(crossed, loud[..., far], 0).astype(float)
    return Relief(surface, support, crossed, float(means[far] - means[aside].mean()))
