"""How much each cell of a lung's columns looks like a sheet across its column.

A sheet is brighter than what lies 3 mm above it and what lies 3 mm below it, not only here but 7 mm to every
side, whichever way it slopes. So brightness is averaged along rows at each of a few slopes, compared
upwards and downwards, cut off, and the difference is averaged along columns at each of the same slopes;
the best slope counts. A vessel that runs along rows is cut off before columns are averaged, and one that
runs across them is thinned out first (oriented averages: van Rikxoort et al., Med Phys 35:4672, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.bits import Mask
from millet.core.columns import Columns, Floats32, Frame

COMPARED_MM = 2.9
"""How far above and below: twice the width at which a fissure shows in slices of 1 to 2.5 mm."""
SLOPES = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Heights a cell."""
REACH = 2
"""Cells to either side that are averaged; every so many rows and columns one result."""
LOUDEST = 5.0
"""Times the median difference in this lung, above which no more is told."""
USUAL_PERCENTILE = 98.0
"""Of the strengths in this lung: it counts as 1."""
STRONGEST = 1.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ridges:
    """Strength (row, column, height) from 0 to `STRONGEST`, and where it was looked for."""

    strength: Floats32
    looked: Mask
    frame: Frame


def ridges(columns: Columns) -> Ridges | None:
    """The strength of sheets at every other row and column; None where there is too little lung."""
    rows, width, _ = columns.hu.shape
    if min(rows, width) < 4 * REACH + 1:
        return None
    far = max(round(COMPARED_MM / float(columns.frame.step_mm[2])), 1)
    looked = _looked(columns.lung, far)
    if not looked[::REACH, ::REACH].any():
        return None
    best, cap = None, 0.0
    beside = looked[REACH:-REACH:REACH]
    for slope in SLOPES:
        over = _over(_sheared(columns.hu, 0, slope), far)
        cap = cap or LOUDEST * float(np.median(np.abs(over[beside])))
        np.clip(over, -cap, cap, out=over)
        over *= beside
        for other in SLOPES:
            found = _sheared(over, 1, other)
            best = found if best is None else np.maximum(best, found, out=best)
    within = np.ascontiguousarray(beside[:, REACH:-REACH:REACH])
    if best is None or not within.any():
        return None
    usual = max(float(np.percentile(best[within], USUAL_PERCENTILE)), 1e-3)
    strength = np.clip(best / np.float32(usual), 0, STRONGEST) * within
    frame = columns.frame.moved((REACH, REACH, 0), every=REACH)
    return Ridges(strength=np.asarray(strength, np.float32), looked=within, frame=frame)


def _looked(lung: Mask, far: int) -> Mask:
    """Cells that lie in the lung with what they are compared to."""
    looked = np.zeros_like(lung)
    looked[..., far:-far] = lung[..., far:-far] & lung[..., 2 * far :] & lung[..., : -2 * far]
    return looked


def _over(mean: Floats32, far: int) -> Floats32:
    """HU over the brighter of what lies above and below."""
    over = np.zeros_like(mean)
    over[..., far:-far] = mean[..., far:-far] - np.maximum(mean[..., 2 * far :], mean[..., : -2 * far])
    return over


def _sheared(values: Floats32, axis: int, slope: float) -> Floats32:
    """Means over `REACH` cells to either side along an axis, along a slope, at every `REACH`th of them."""
    total = None
    for k in range(-REACH, REACH + 1):
        place = [slice(None)] * 3
        place[axis] = slice(REACH + k, values.shape[axis] - REACH + k, REACH)
        part = lifted(values[tuple(place)], slope * k)
        total = part.copy() if total is None else np.add(total, part, out=total)
    assert total is not None  # noqa: S101 - the loop is not empty
    total *= np.float32(1 / (2 * REACH + 1))
    return total


def lifted(values: Floats32, by: float) -> Floats32:
    """What lies so many heights above each cell (half a height: the mean of two); the ends repeat."""
    low = int(np.floor(by))
    if by != low:
        return np.float32(0.5) * (lifted(values, low) + lifted(values, low + 1))
    if low == 0:
        return values
    moved = np.empty_like(values)
    if low > 0:
        moved[..., :-low], moved[..., -low:] = values[..., low:], values[..., -1:]
    else:
        moved[..., -low:], moved[..., :-low] = values[..., :low], values[..., :1]
    return moved
