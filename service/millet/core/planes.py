"""The planes of a series on a model's grid, made in blocks as soon as their slices are there.

Everything that is made is remembered together with what it was made of: the slices and their shares. What
is asked for again is made again only if that has changed. So a slice that comes late, twice or out of
order costs the blocks that it touches and no others, and whatever was made before the last slice came is
either still right or not used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid
from millet.core.placing import Frame, Range, in_plane, rimmed, slice_grid, through
from millet.core.resample import Box
from millet.core.upload import to_device
from millet.core.volume import Volume, canonical, canonical_order

BLOCK = 8
"""Planes that are made at once; blocks begin at multiples of it."""
ROUNDED: tuple[float, float, float] = (1.0, 1.0, 1.0)
"""The spacing of which whole HU are kept besides, for pictures: rounding all of it takes 0.1 s at the end."""
HOLE = 1.5
"""A step longer than this many usual steps is waited for."""
FEWEST = 8
"""Slices from which on it is believed which way the table moves."""

Spacing = tuple[float, float, float]
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


class Planes:
    """Lattice planes of one stack of slices on one device. Not thread-safe."""

    def __init__(self, frame: Frame, device: str = "cpu") -> None:
        self.frame = frame
        self.device = device
        self._layers: dict[str, Layer] = {}
        self._rising: list[Layer] = []
        self._heights: Floats = np.zeros(0)
        self._last: Layer | None = None
        self._blocks: dict[tuple[Spacing, int], tuple[Made, torch.Tensor]] = {}
        self._rounded: dict[int, tuple[Made, NDArray[np.int16]]] = {}

    @classmethod
    def of(cls, volume: Volume, device: str = "cpu") -> Planes:
        """The planes of a whole volume whose first axis is the body's."""
        planes = cls(Frame.of(slice_grid(volume.grid)), device)
        planes.put(layers(volume))
        return planes

    def put(self, found: Iterable[Layer]) -> None:
        """Add slices, in any order; what is known by its name is there once."""
        for layer in found:
            self._layers[layer.name] = self._last = layer
        self._rising = sorted(self._layers.values(), key=lambda one: (one.height_mm, one.name))
        self._heights = np.asarray([layer.height_mm for layer in self._rising])

    def keep(self, names: Iterable[str]) -> None:
        """Forget every slice but these: the others turned out to belong to no or another stack."""
        wanted = set(names)
        self._layers = {name: layer for name, layer in self._layers.items() if name in wanted}
        self.put(())

    def __len__(self) -> int:
        return len(self._rising)

    @property
    def heights_mm(self) -> Floats:
        """Of all slices, rising."""
        return self._heights

    def known(self) -> tuple[tuple[float, float], ...]:
        """The ranges along the body, in mm, in which what is known is likely to stay.

        There is no hole in them. At the end where the slices began to arrive nothing more is expected, and
        the range has no end there. It is a guess and may be wrong; then what was made of it is made again.
        """
        heights = self._heights
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
        if self._last is None:
            return 0
        at = self._last.height_mm
        return int(at >= self._heights[-1] - 4 * step) - int(at <= self._heights[0] + 4 * step)

    def made_of(self, spacing_mm: Spacing, planes: Range) -> Made:
        """What the planes of a range are made of."""
        return self._shares(spacing_mm, planes)[0]

    def window(self, spacing_mm: Spacing, box: Box) -> torch.Tensor:
        """HU (D, H, W) of a box of the lattice, float32 on the device; what lies outside repeats the rim."""
        ranges = [rimmed(self.frame.lattice(spacing_mm[1 + axis], axis)) for axis in (0, 1)]
        (y, before_y, after_y), (x, before_x, after_x) = (
            _cut(start, stop, held)
            for start, stop, held in zip(box.start[1:], box.stop[1:], ranges, strict=True)
        )
        parts = []
        for number in _numbers((box.start[0], box.stop[0])):
            first, last = max(box.start[0], number * BLOCK), min(box.stop[0], (number + 1) * BLOCK)
            block = self._block(spacing_mm, number)
            parts.append(block[first - number * BLOCK : last - number * BLOCK, y, x])
        window = torch.cat(parts) if len(parts) > 1 else parts[0]
        if max(before_y, after_y, before_x, after_x):
            pads = (before_x, after_x, before_y, after_y)
            window = torch.nn.functional.pad(window[None], (*pads, 0, 0), mode="replicate")[0]
        return window

    def volume(self, spacing_mm: Spacing, planes: Range, *, rounded: bool = False) -> Volume:
        """All of the lattice's planes in a range, on the host: HU float32, or rounded to int16."""
        grid = self.frame.grid(spacing_mm, planes)
        if rounded and spacing_mm == ROUNDED:
            return Volume(hu=self._rounded_hu(grid.shape, planes), grid=grid)
        hu = np.empty(grid.shape, np.int16 if rounded else np.float32)
        for number in _numbers(planes):
            first, last = max(planes[0], number * BLOCK), min(planes[1], (number + 1) * BLOCK)
            part = self._block(spacing_mm, number)[first - number * BLOCK : last - number * BLOCK]
            part = part[:, 1:-1, 1:-1]
            part = part.round().to(torch.int16) if rounded else part
            hu[first - planes[0] : last - planes[0]] = part.cpu().numpy()
        return Volume(hu=hu, grid=grid)

    def _rounded_hu(self, shape: tuple[int, int, int], planes: Range) -> NDArray[np.int16]:
        hu = np.empty(shape, np.int16)
        for number in _numbers(planes):
            first, last = max(planes[0], number * BLOCK), min(planes[1], (number + 1) * BLOCK)
            self._block(ROUNDED, number)
            part = self._rounded[number][1]
            hu[first - planes[0] : last - planes[0]] = part[first - number * BLOCK : last - number * BLOCK]
        return hu

    @property
    def held_bytes(self) -> int:
        """Memory of what was made."""
        rounded = sum(block.nbytes for _, block in self._rounded.values())
        return rounded + sum(block.nbytes for _, block in self._blocks.values())

    def _shares(self, spacing_mm: Spacing, planes: Range) -> tuple[Made, int, NDArray[np.float32]]:
        first, shares = through(self._heights, planes, spacing_mm[0])
        names = tuple(layer.name for layer in self._rising[first : first + shares.shape[1]])
        return (names, shares.tobytes()), first, shares

    def _block(self, spacing_mm: Spacing, number: int) -> torch.Tensor:
        made_of, first, shares = self._shares(spacing_mm, (number * BLOCK, (number + 1) * BLOCK))
        known = self._blocks.get((spacing_mm, number))
        if known and known[0] == made_of:
            return known[1]
        block = self._placed(spacing_mm, self._rising[first : first + shares.shape[1]], shares)
        self._blocks[spacing_mm, number] = (made_of, block)
        if spacing_mm == ROUNDED:
            whole = block[:, 1:-1, 1:-1].round().to(torch.int16)
            self._rounded[number] = (made_of, whole.cpu().numpy())
        return block

    def _placed(
        self, spacing_mm: Spacing, used: Sequence[Layer], shares: NDArray[np.float32]
    ) -> torch.Tensor:
        place = in_plane(self.frame, spacing_mm[1:], self.device)
        hu = torch.empty((len(used), *self.frame.shape), dtype=torch.float32, device=self.device)
        for number, layer in enumerate(used):
            hu[number] = to_device(layer.hu, self.device)
        in_planes = place(hu)
        weights = torch.from_numpy(shares).to(self.device)
        return (weights @ in_planes.reshape(len(used), -1)).reshape(len(shares), *place.shape)


def layers(volume: Volume) -> Iterable[Layer]:
    """The slices of a volume, named by their number."""
    seen = canonical(volume)
    height = float(np.asarray(seen.grid.axes[0]) @ np.asarray(seen.grid.origin_mm))
    for number, hu in enumerate(seen.hu):
        at = height + number * seen.grid.spacing_mm[0]
        yield Layer(name=f"{number:06d}", height_mm=at, hu=hu)


def upright(
    hu: NDArray[np.int16] | NDArray[np.float32], grid: Grid
) -> NDArray[np.int16] | NDArray[np.float32]:
    """The pixels of one slice of a grid in the frame's order: rows to the back, columns to the left."""
    order, flips = canonical_order(grid)
    seen = hu if order == (0, 1, 2) else hu.T
    return seen[:: -1 if flips[1] else 1, :: -1 if flips[2] else 1]


def _numbers(planes: Range) -> range:
    """The blocks that hold a range of planes."""
    return range(planes[0] // BLOCK, -(-planes[1] // BLOCK))


def _cut(start: int, stop: int, held: Range) -> tuple[slice, int, int]:
    """What is held of a range, and how much of it is missing before and after."""
    first, last = max(start, held[0]), min(stop, held[1])
    if first >= last:
        at = min(max(start, held[0]), held[1] - 1) - held[0]
        return slice(at, at + 1), 0, stop - start - 1
    return slice(first - held[0], last - held[0]), first - start, stop - last
