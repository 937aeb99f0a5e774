"""Projections of a chest for its pictures: from the front, in slabs from front and below, from all around.

Within the lungs they are maximum intensity projections in a lung window, which keeps ribs and chest wall
from hiding what is sought; a dim average around them shows the body. All of them are made in one pass over
the volume, plane by plane, and no copy of it is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.codec.turning import Pool, Turned
from millet.core.geometry import Grid
from millet.core.volume import canonical_order

Mask = NDArray[np.bool_]
Hu = NDArray[np.int16] | NDArray[np.float32]
Grey = NDArray[np.float32]
Box = tuple[slice, slice, slice]

_LUNG_WINDOW_HU = (-950.0, 150.0)
_AIR_HU = np.float32(-1024.0)
_ANY_HU = np.float32(1e6)
_DIM = 0.35
_MARGIN_MM = 25.0
_SKIN_MM = 3.0
_SLABS = 12


class View(NamedTuple):
    """One projection: grey values 0..1 on (row, column) indices, and where they lie in the volume."""

    grey: Grey
    start: tuple[float, float]
    """Volume index of the first row and column."""
    step_mm: tuple[float, float]
    z: tuple[int, int]
    """Slices that are seen, the second exclusive."""
    depth_mm: float
    y: tuple[int, int]
    """Rows of the volume that are seen, likewise."""


class Views(NamedTuple):
    """What is seen of one volume."""

    coronal: View
    """From the front, head up."""
    axial: tuple[View, ...]
    """Slabs seen from the feet, the one nearest the head first."""
    fronts: tuple[View, ...]
    """Slabs seen from the front, the foremost first."""
    turned: Turned
    grid: Grid
    """Of the volume."""


def project(planes_hu: Sequence[Hu], grid: Grid, lungs: Sequence[Mask] | None) -> Views:
    """Project a canonical volume within its lungs, or whole without them.

    Args:
        planes_hu: HU (y, x) of each plane of the volume, from the feet to the head.
        grid: of the volume. Raises ValueError where it is not canonical.
        lungs: where they are (y, x) in each of the planes.
    """
    if canonical_order(grid) != ((0, 1, 2), (False, False, False)):
        raise ValueError("pictures are drawn from the canonical volume")
    box = _box(grid, lungs, _MARGIN_MM)
    y, x = box[1:]
    core, fronts = _Core(grid, lungs, box), _Fronts(box, grid)
    body = np.empty((grid.shape[1], x.stop - x.start), np.float32)
    slabs = []
    for low, high in _slabs(box[0]):
        brightest = np.full((y.stop - y.start, x.stop - x.start), _AIR_HU)
        total = np.zeros_like(brightest)
        for z in range(low, high):
            np.copyto(body, planes_hu[z][:, x])
            core.look(z, body[y], brightest, fronts)
            np.maximum(body, _AIR_HU, out=body)
            total += body[y]
            fronts.surround(z, body)
        grey = _over(_window(brightest), _window(total / (high - low)))
        slabs.append(_axial(grey, box, grid, (low, high)))
    return Views(
        coronal=_coronal(fronts.whole(dim_only=lungs is None), box, grid, (y.start, y.stop)),
        axial=tuple(slabs[::-1]),
        fronts=tuple(_coronal(grey, box, grid, rows) for rows, grey in fronts.slabs()),
        turned=core.turned(),
        grid=grid,
    )


def _slabs(z: slice) -> list[tuple[int, int]]:
    """The slices of each slab, from the feet on, the second exclusive."""
    edges = np.linspace(z.stop, z.start, _SLABS + 1).round().astype(int).tolist()
    return [(low, high) for low, high in pairwise(edges[::-1]) if high > low]


def _coronal(grey: Grey, box: Box, grid: Grid, y: tuple[int, int]) -> View:
    z, _, x = box
    z_mm, y_mm, x_mm = grid.spacing_mm
    return View(
        grey=grey[::-1],
        start=(z.stop - 1, x.start),
        step_mm=(-z_mm, x_mm),
        z=(z.start, z.stop),
        depth_mm=y_mm * (y[1] - y[0]),
        y=y,
    )


def _axial(grey: Grey, box: Box, grid: Grid, z: tuple[int, int]) -> View:
    _, y, x = box
    z_mm, y_mm, x_mm = grid.spacing_mm
    return View(
        grey=grey,
        start=(y.start, x.start),
        step_mm=(y_mm, x_mm),
        z=z,
        depth_mm=z_mm * (z[1] - z[0]),
        y=(y.start, y.stop),
    )


class _Fronts:
    """What is seen from the front: brightest within the lungs, and the body's mean, slab by slab."""

    def __init__(self, box: Box, grid: Grid) -> None:
        z, y, x = box
        self._first = z.start
        self._box = box
        self._rows = _slabs(y)
        self.sought = np.full((len(self._rows), z.stop - z.start, x.stop - x.start), _AIR_HU)
        self._around = np.empty_like(self.sought)
        self._mean = np.empty(self.sought.shape[1:], np.float32)
        self._depth = grid.shape[1]

    def look(self, z: int, seen_hu: Grey, rows: slice, columns: slice) -> None:
        """Add the HU of one plane, at these rows and columns of the box."""
        first = self._box[1].start
        for slab, (low, high) in zip(self.sought, self._rows, strict=True):
            held = seen_hu[max(low - first - rows.start, 0) : max(high - first - rows.start, 0)]
            if len(held):
                np.maximum.reduce(held, axis=0, out=slab[z - self._first, columns])

    def surround(self, z: int, body_hu: Grey) -> None:
        """Add one plane of the body, all of its rows."""
        np.add.reduce(body_hu, axis=0, out=self._mean[z - self._first])
        for slab, (low, high) in zip(self._around, self._rows, strict=True):
            np.add.reduce(body_hu[low:high], axis=0, out=slab[z - self._first])

    def whole(self, *, dim_only: bool) -> Grey:
        """All slabs together, over the mean of all; or that alone."""
        mean = _window(self._mean / self._depth)
        return mean if dim_only else _over(_window(self.sought.max(axis=0)), mean)

    def slabs(self) -> Iterator[tuple[tuple[int, int], Grey]]:
        """Rows of the volume and grey values of each, the foremost first."""
        for rows, sought, around in zip(self._rows, self.sought, self._around, strict=True):
            yield rows, _over(_window(sought), _window(around / (rows[1] - rows[0])))


class _Core:
    """The lungs without their skin, whose soft tissue would cover them from front to back.

    Without lungs, all of a plane is looked at.
    """

    def __init__(self, grid: Grid, lungs: Sequence[Mask] | None, box: Box) -> None:
        tight = _box(grid, lungs, min(_SKIN_MM + max(grid.spacing_mm), _MARGIN_MM))
        self._z = tight[0]
        self._within = tuple(
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(tight[1:], box[1:], strict=True)
        )
        self._lungs = None if lungs is None else [lung[tight[1:]] for lung in lungs[tight[0]]]
        self._steps = [max(1, round(_SKIN_MM / spacing_mm)) for spacing_mm in grid.spacing_mm]
        self._ceiling = np.empty([s.stop - s.start for s in tight[1:]], np.float32)
        self._pool = Pool(grid, tight)

    def turned(self) -> Turned:
        """What was seen, from all around."""
        return self._pool.turned(_window)

    def look(self, z: int, plane_hu: Grey, brightest: Grey, fronts: _Fronts) -> None:
        """Add the HU of one plane to the brightest along z, along y and all around."""
        if not self._z.start <= z < self._z.stop:
            return
        seen = plane_hu[self._within]
        if self._lungs is not None:
            seen = np.minimum(seen, self._ceiling_hu(self._lungs, z - self._z.start), out=self._ceiling)
        np.maximum(brightest[self._within], seen, out=brightest[self._within])
        fronts.look(z, seen, *self._within)
        self._pool.add(z, seen)

    def _ceiling_hu(self, lungs: Sequence[Mask], z: int) -> Grey:
        """What HU are cut to: air outside of the core, nothing within."""
        self._ceiling[...] = self._plane(lungs, z)
        self._ceiling *= _ANY_HU
        self._ceiling += _AIR_HU
        return self._ceiling

    def _plane(self, lungs: Sequence[Mask], z: int) -> Mask:
        down, back, left = self._steps
        lung = lungs[z]
        core: Mask = lung.copy()
        for other in (z - down, z + down):
            if 0 <= other < len(lungs):
                core &= lungs[other]
        core[back:] &= lung[:-back]
        core[:-back] &= lung[back:]
        core[:, left:] &= lung[:, :-left]
        core[:, :-left] &= lung[:, left:]
        return core


def _box(grid: Grid, lungs: Sequence[Mask] | None, margin_mm: float) -> Box:
    """The lungs with a margin, or all."""
    held, seen = np.zeros(grid.shape[0], bool), np.zeros(grid.shape[1:], bool)
    for plane, lung in enumerate(lungs or ()):
        held[plane] = lung.any()
        np.logical_or(seen, lung, out=seen)
    if not held.any():
        return slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2])
    ranges = (held, np.asarray(seen.any(axis=1)), np.asarray(seen.any(axis=0)))
    z, y, x = (_range(r, margin_mm / mm) for r, mm in zip(ranges, grid.spacing_mm, strict=True))
    return z, y, x


def _range(present: Mask, margin: float) -> slice:
    where = np.flatnonzero(present)
    low, high = int(where[0] - margin), int(where[-1] + margin) + 1
    return slice(max(low, 0), min(high, len(present)))


def _over(sought: Grey, around: Grey) -> Grey:
    """What is sought, over a dim picture of what lies around."""
    over: Grey = np.maximum(sought, np.float32(_DIM) * around)
    return over


def _window(hu: NDArray[np.floating]) -> Grey:
    low, high = _LUNG_WINDOW_HU
    grey: Grey = np.clip((hu - low) / (high - low), 0.0, 1.0).astype(np.float32, copy=False)
    return grey
