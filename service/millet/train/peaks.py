"""Finds peaks of a volume inside a graph by looking only where one can be.

A peak is a voxel above the floor that is larger than those of its 26 neighbours that come before it (in
order of z, y, x) and not smaller than those behind it: of equal neighbours the first, so a plateau is one
peak. It is therefore the first largest voxel of its block of 2x2x2, and it is enough to look at the blocks
whose largest is above the floor: few, where comparing every voxel with its neighbours costs a fifth of
the network.

Beyond the volume the nearest voxel is read. A voxel of the first plane, row or column therefore comes before
itself and is no peak; it lies in the halo.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from millet.train.graph import Graph

BLOCK = 2
"""The side of a block."""
_CORNERS = np.asarray(list(product(range(BLOCK), repeat=3)))
_OWN = 13
"""The place of a voxel among its neighbours and itself."""


class Field(NamedTuple):
    """The volumes to search, as one flat list of values."""

    values: str
    last: str
    """(3,) the last voxel of a volume."""
    along: Callable[[str], str]
    """What a voxel's coordinates (N, 3, K) add to its place among the values, axis by axis."""


def peaks(g: Graph, field: Field, blocks: str, start: str) -> tuple[str, str]:
    """Voxels (N, 3) of the peaks in some blocks (M, 3), in the blocks' order.

    `start` (M, 1) is where each block's volume begins among the values; the peaks' are returned, (N, 1).
    """
    corner = g.op("Mul", blocks, g.constant(BLOCK, np.int64))
    value = _around(g, field, corner, start, range(BLOCK))
    top = g.op("ReduceMax", value, g.constant([1], np.int64), keepdims=1)
    voxel = g.op("Add", corner, _first(g, g.op("Equal", value, top)))
    near = _around(g, field, voxel, start, range(-1, 2))
    own = _columns(g, near, _OWN, _OWN + 1)
    before = _all(g, g.op("Less", _columns(g, near, 0, _OWN), own))
    behind = _all(g, g.op("LessOrEqual", _columns(g, near, _OWN + 1, 27), own))
    rows = g.op("Reshape", g.op("NonZero", g.op("And", before, behind)), g.constant([-1], np.int64))
    return g.op("Gather", voxel, rows, axis=0), g.op("Gather", start, rows, axis=0)


def _around(g: Graph, field: Field, voxel: str, start: str, steps: range) -> str:
    """(N, K**3) values at so many steps from voxels (N, 3) along each axis."""
    moved = g.op("Add", g.unsqueezed(voxel, 2), g.constant(list(steps), np.int64))
    part = field.along(g.op("Min", g.op("Max", moved, g.constant(0, np.int64)), g.unsqueezed(field.last, 1)))
    count = len(steps)
    shapes = ((-1, count, 1, 1), (-1, 1, count, 1), (-1, 1, 1, count))
    place = g.op("Reshape", start, g.constant([-1, 1, 1, 1], np.int64))
    for axis, shape in enumerate(shapes):
        one = g.op("Gather", part, g.constant(axis, np.int64), axis=1)
        place = g.op("Add", place, g.op("Reshape", one, g.constant(shape, np.int64)))
    place = g.op("Reshape", place, g.constant([-1, count**3], np.int64))
    return g.op("Gather", field.values, place, axis=0)


def _first(g: Graph, marked: str) -> str:
    """(N, 3) the first marked corner of each block, of (N, 8)."""
    order = g.constant(range(len(_CORNERS), 0, -1))
    ranked = g.op("Mul", g.floats(marked), order)
    highest = g.ints(g.op("ReduceMax", ranked, g.constant([1], np.int64), keepdims=0))
    number = g.op("Sub", g.constant(len(_CORNERS), np.int64), highest)
    return g.op("Gather", g.constant(_CORNERS, np.int64), number, axis=0)


def _columns(g: Graph, table: str, first: int, end: int) -> str:
    return g.op("Slice", table, *(g.constant([v], np.int64) for v in (first, end, 1)))


def _all(g: Graph, marked: str) -> str:
    """(N,) whether all of (N, K) are marked."""
    least = g.op("ReduceMin", g.floats(marked), g.constant([1], np.int64), keepdims=0)
    return g.op("Greater", least, g.constant(0.5))
