"""Which slices to open first: a few that together show as much as possible of what was found.

The rule: the slice through the middle of the largest nodule; then, again and again, the slice that cuts most
nodules which none of the chosen ones cuts, until there are five or nothing is left to be shown. A slice cuts
a nodule whose surface it reaches, and the nodule's own nearest slice always does. Of equals the one that
cuts the larger nodules is taken, then the one nearer to their middles, then the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats

MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlice:
    """A chosen slice."""

    plane: int
    """Which of the slices."""
    cuts: tuple[int, ...]
    """Which of the nodules it cuts, in their order."""


def key_slices(
    planes_mm: Floats, centres_mm: Floats, diameters_mm: Floats, most: int = MOST
) -> tuple[KeySlice, ...]:
    """Choose slices, the most telling one first; none where there is no nodule.

    Args:
        planes_mm: (S,) places of the slices along their normal, at least one.
        centres_mm: (N,) places of the nodules' centres along it.
        diameters_mm: (N,) of the nodules.
        most: how many slices at most.
    """
    if not len(centres_mm):
        return ()
    distance = np.abs(planes_mm[:, None] - centres_mm)
    nearest = distance.argmin(axis=0)
    cut = distance <= diameters_mm / 2
    cut[nearest, np.arange(len(centres_mm))] = True
    chosen = [int(nearest[diameters_mm.argmax()])]
    left = ~cut[chosen[0]]
    while left.any() and len(chosen) < most:
        shown = cut & left
        order = (np.where(shown, distance, 0).sum(axis=1), -(shown @ diameters_mm**3), -shown.sum(axis=1))
        chosen.append(int(np.lexsort(order)[0]))
        left &= ~cut[chosen[-1]]
    return tuple(KeySlice(plane=plane, cuts=tuple(np.flatnonzero(cut[plane]).tolist())) for plane in chosen)
