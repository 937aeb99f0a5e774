"""Slabs of a level's lattice: the planes they see, whether these are there, where lung may be in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from millet.core.cover import slab_cores as boxes
from millet.core.lungs import GRID_MM
from millet.core.manifest import Level
from millet.core.maybe_lung import maybe_lung
from millet.core.placing import Range, between
from millet.core.resample import Box
from millet.flow.detect import most_voxels, window_of
from millet.flow.planes import Planes

SLABS_CELLS = (16, 8)
"""A slab of windows has so many cells of its level along the body: 64 or 32 mm of a fine one."""
FEWEST_CELLS = {True: 16, False: 8}
"""By whether the reader still has windows to look at. A thin slab computes more halo and leaves less to do
after the last slice: it is taken while the device has nothing better to do."""
GRID = (GRID_MM, GRID_MM, GRID_MM)
"""The lattice that lungs are found on."""


def slab_cores(planes: Planes, level: Level, slab: Range) -> Iterator[Box]:
    """The cores of one slab that hold what may be lung."""
    first_mm, last_mm = slab[0] * level.spacing_mm[0], (slab[1] - 1) * level.spacing_mm[0]
    bottom, top = planes.slices.heights_mm[0], planes.slices.heights_mm[-1]
    low, high = max(first_mm, bottom), min(last_mm, top)
    if low > high:
        return
    range_ = between(low, high, GRID_MM)
    seen = planes.volume(GRID, range_)
    middle = (range_[0] + range_[1]) // 2
    grid = planes.frame.grid(GRID, (middle, middle + 1))
    z, y, x = most_voxels(level)
    yield from boxes(maybe_lung(np.asarray(seen.hu, np.float32))[None], grid, level, slab, (z, y, x))


def slab_reach(level: Level, slab: Range) -> Range:
    """The planes that a slab's windows see."""
    core = Box(start=(slab[0], 0, 0), stop=(slab[1], 1, 1))
    box = window_of(core, level).box
    return box.start[0], box.stop[0]


def slabs_of(run: Sequence[int], cell: int, fewest: int, *, grows_up: bool) -> Iterator[Range]:
    """Neighbouring cells as slabs of 16 or 8 of them, so that windows come in few shapes, or the rest.

    Cells that are too few for a slab are left at the end where more will come, and never between two slabs.
    """
    left = list(run)
    while len(left) >= fewest and left:
        count = next((size for size in SLABS_CELLS if size <= len(left)), len(left))
        taken, left = (left[:count], left[count:]) if grows_up else (left[-count:], left[:-count])
        yield taken[0], taken[-1] + cell


def slab_within(level: Level, first: int, last: int, known: Sequence[tuple[float, float]]) -> bool:
    """Whether all that windows of these planes see is known."""
    low, high = (plane * level.spacing_mm[0] for plane in slab_reach(level, (first, last)))
    return any(start <= low and high <= stop for start, stop in known)
