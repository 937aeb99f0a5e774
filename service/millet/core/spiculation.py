"""How spiculated a nodule's edge is, estimated from the strands that leave it in one slice.

Spiculation: strands that extend from the margin into the lung (Hansell, Radiology 246:697, 2008). One or
two are vessels as often as not and do not count; broad ones are a wall or a neighbour.
"""

from __future__ import annotations

import numpy as np

from millet.core.geometry import Floats
from millet.core.outline import STEP_MM, Outlines
from millet.core.voi import Field, Masks

FROM_MM = 6.0
"""Smaller nodules have strands that no scan shows; they count as smooth."""
STRAND_MM = (1.0, 2.0)
"""Where beyond the edge strands are looked for."""
STRAND_HU = 220.0
"""Above the lung: what is left of a strand of 1 mm after blur."""
VESSELS, MANY = 2, 8
"""Strands that say nothing, and as many as make an edge surely spiculated."""
BROAD = 6
"""Wider than one over so much of the turn is no strand."""


def spiculation(drawn: Outlines, background_hu: Floats, diameter_mm: Floats) -> Floats:
    """(N,) an estimate from 0 (smooth) to 1."""
    strands = _narrow_runs(_strands(drawn.rays, drawn.radius_mm, background_hu))
    share = np.clip((strands - VESSELS) / (MANY - VESSELS), 0, 1)
    return np.where(diameter_mm >= FROM_MM, share, 0.0)


def _strands(rays: Field, radius_mm: Floats, background_hu: Floats) -> Masks:
    """(N, A) whether each ray meets something dense just beyond the edge."""
    low, high = ((radius_mm + beyond) / STEP_MM for beyond in STRAND_MM)
    step = np.arange(rays.shape[2])
    there = (step >= low[:, :, None]) & (step <= high[:, :, None])
    added = np.where(there, rays - np.asarray(background_hu, np.float32)[:, None, None], np.float32(0))
    found: Masks = added.sum(axis=2) > STRAND_HU * np.maximum(there.sum(axis=2), 1)
    return found


def _narrow_runs(flags: Masks) -> Floats:
    """(N,) how many runs of flags there are round the turn (N, A), without the broad ones."""
    count = flags.shape[1]
    begins = flags & ~np.roll(flags, 1, axis=1)
    widest = count // BROAD
    length = np.zeros(flags.shape, np.int64)
    going = begins.copy()
    for k in range(widest + 1):
        going &= np.roll(flags, -k, axis=1)
        length += going
    return np.asarray((begins & (length <= widest)).sum(axis=1), float)
