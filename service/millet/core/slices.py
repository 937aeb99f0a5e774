"""The slices of a series that are there, and what may be made of them.

A state, and not a store: a slice more makes another one. Whoever makes something of the slices keeps the
state that it was decided on, so what is made is what was said, whatever comes meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats
from millet.core.placing import Range, through

HOLE = 1.5
"""A step longer than this many usual steps is waited for."""
FEWEST = 8
"""Slices from which on it is believed which way the table moves."""

Made = tuple[object, ...]
"""What something was made of; equal for equal slices in equal places."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One slice in its place."""

    name: str
    """Equal for equal pixels in equal places, and for nothing else."""
    height_mm: float
    """Along the body, to the head."""
    hu: NDArray[np.int16] | NDArray[np.float32]
    """(rows, columns) in the frame's order; a view of what was decoded."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of one stack, each there once."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    """By their names."""
    last: Layer | None = None
    """The one that came last."""

    def put(self, found: Iterable[Layer]) -> Slices:
        """With more slices, in any order."""
        more = {layer.name: layer for layer in found}
        return Slices({**self.layers, **more}, next(reversed(more.values()), self.last))

    def keep(self, names: Iterable[str]) -> Slices:
        """With no slices but these."""
        wanted = set(names)
        return Slices({name: layer for name, layer in self.layers.items() if name in wanted}, self.last)

    def __len__(self) -> int:
        return len(self.layers)

    @cached_property
    def rising(self) -> tuple[Layer, ...]:
        """From the feet to the head."""
        return tuple(sorted(self.layers.values(), key=lambda one: (one.height_mm, one.name)))

    @cached_property
    def heights_mm(self) -> Floats:
        """Of all slices, rising."""
        return np.asarray([layer.height_mm for layer in self.rising])

    def known(self) -> tuple[tuple[float, float], ...]:
        """The ranges along the body, in mm, in which what is known is likely to stay.

        There is no hole in them. At the end where the slices began to arrive nothing more is expected, and
        the range has no end there. It is a guess and may be wrong; then what was made of it is made again.
        """
        heights = self.heights_mm
        if len(heights) < FEWEST:
            return ()
        steps = np.diff(heights)
        step = float(np.median(steps))
        parts = np.split(heights, np.flatnonzero(steps > HOLE * step) + 1)
        ranges = [(float(part[0]), float(part[-1])) for part in parts]
        going = self._going(step)
        if going > 0:
            ranges[0] = (-math.inf, ranges[0][1])
        if going < 0:
            ranges[-1] = (ranges[-1][0], math.inf)
        return tuple((low + step, high - step) for low, high in ranges)

    def _going(self, step: float) -> int:
        """1 where slices arrive towards the head, -1 towards the feet, 0 where it cannot be told."""
        if self.last is None:
            return 0
        at = self.last.height_mm
        return int(at >= self.heights_mm[-1] - 4 * step) - int(at <= self.heights_mm[0] + 4 * step)

    def made_of(self, spacing_mm: float, planes: Range) -> Made:
        """What lattice planes are made of."""
        return self.shares(spacing_mm, planes)[0]

    def shares(self, spacing_mm: float, planes: Range) -> tuple[Made, tuple[Layer, ...], NDArray[np.float32]]:
        """What lattice planes are made of: in short, the slices, and their shares (planes, slices)."""
        first, shares = through(self.heights_mm, planes, spacing_mm)
        used = self.rising[first : first + shares.shape[1]]
        return (tuple(layer.name for layer in used), shares.tobytes()), used, shares
