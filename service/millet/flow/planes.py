"""The planes of a series on a model's grid, made in blocks as soon as their slices are there.

What is made is remembered for a while together with what it was made of (`core.slices`), and is made again
only if that has changed. So a slice that comes late, twice or out of order costs the blocks that it
touches and no others, and whatever was made before the last slice came is either still right or not used.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.placing import Frame, Range, in_plane, rimmed, slice_grid
from millet.core.resample import Box
from millet.core.slices import Layer, Made, Slices
from millet.core.upload import upload
from millet.core.volume import Volume, canonical
from millet.flow.scratch import scratch

BLOCK = 8
"""Planes that are made at once; blocks begin at multiples of it."""
PICTURE: tuple[float, float, float] = (1.0, 1.0, 1.0)
"""The spacing that pictures are drawn from. Of it whole HU are kept besides: rounding all of it takes 0.1 s
at the end."""
FINE_MM = 1.5
"""Blocks of planes that lie closer are let go when windows have gone on; the others are a tenth of them."""
MOST_FINE_BYTES = 192 * 2**20
"""Of fine blocks at once: what the windows of one slab see on two lattices of a large chest, and some."""
MOST_SLICES = 24
"""Slices that are in float at once, 1 MB each."""

Spacing = tuple[float, float, float]
_Number = tuple[Spacing, int]


class Planes:
    """Lattice planes of one stack of slices on one device. Thread-safe."""

    def __init__(self, frame: Frame, device: str = "cpu") -> None:
        self.frame = frame
        self.device = device
        self._slices = Slices()
        self._blocks: dict[_Number, tuple[Made, torch.Tensor]] = {}
        """The one that was used last comes last."""
        self._rounded: dict[int, tuple[Made, NDArray[np.int16]]] = {}
        self._prepared: set[_Number] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, volume: Volume, device: str = "cpu") -> Planes:
        """The planes of a whole volume whose first axis is the body's."""
        planes = cls(Frame.of(slice_grid(volume.grid)), device)
        planes.put(layers(volume))
        return planes

    @property
    def slices(self) -> Slices:
        """What is there now."""
        return self._slices

    def put(self, found: Iterable[Layer]) -> None:
        """Add slices, in any order; what is known by its name is there once."""
        with self._lock:
            self._slices = self._slices.put(found)

    def keep(self, names: Iterable[str]) -> None:
        """Forget every slice but these: the others turned out to belong to no or another stack."""
        with self._lock:
            self._slices = self._slices.keep(names)

    def prepare(self, spacing_mm: Spacing) -> None:
        """Make every block that is likely to stay as it is, once: windows will want it soon."""
        slices, step_mm = self._slices, spacing_mm[0]
        known = slices.known()
        if not known:
            return
        lowest, highest = (math.floor(at / step_mm / BLOCK) for at in slices.heights_mm[[0, -1]])
        for number in range(lowest, highest + 1):
            low_mm, high_mm = (number * BLOCK - 1) * step_mm, (number + 1) * BLOCK * step_mm
            if (spacing_mm, number) not in self._prepared and any(
                start <= low_mm and high_mm <= stop for start, stop in known
            ):
                self._prepared.add((spacing_mm, number))
                self._block(slices, spacing_mm, number)

    def window(self, spacing_mm: Spacing, box: Box, of: Slices | None = None) -> torch.Tensor:
        """HU (D, H, W) of a box of the lattice, float32 on the device; what lies outside repeats the rim.

        It is made of what is there now, or of what was there `of` a time before.
        """
        slices = of or self._slices
        ranges = [rimmed(self.frame.lattice(spacing_mm[1 + axis], axis)) for axis in (0, 1)]
        (y, before_y, after_y), (x, before_x, after_x) = (
            _cut(start, stop, held)
            for start, stop, held in zip(box.start[1:], box.stop[1:], ranges, strict=True)
        )
        parts = []
        for number, inner, _ in _parts((box.start[0], box.stop[0])):
            parts.append(self._block(slices, spacing_mm, number)[inner, y, x])
        window = torch.cat(parts) if len(parts) > 1 else parts[0]
        if max(before_y, after_y, before_x, after_x):
            pads = (before_x, after_x, before_y, after_y)
            window = torch.nn.functional.pad(window[None], (*pads, 0, 0), mode="replicate")[0]
        return window

    def volume(self, spacing_mm: Spacing, planes: Range) -> Volume:
        """All of the lattice's planes in a range, on the host: HU float32."""
        slices, grid = self._slices, self.frame.grid(spacing_mm, planes)
        hu = np.empty(grid.shape, np.float32)
        for number, inner, outer in _parts(planes):
            hu[outer] = self._block(slices, spacing_mm, number)[inner, 1:-1, 1:-1].cpu().numpy()
        return Volume(hu=hu, grid=grid)

    def rounded(self, spacing_mm: Spacing, planes: Range) -> Sequence[NDArray[np.int16]]:
        """Each of the lattice's planes (y, x) in a range, on the host, HU rounded."""
        slices = self._slices
        return [
            plane
            for number, inner, _ in _parts(planes)
            for plane in self._rounded_block(slices, spacing_mm, number)[inner]
        ]

    @property
    def held_bytes(self) -> int:
        """Memory of what was made."""
        with self._lock:
            rounded = sum(block.nbytes for _, block in self._rounded.values())
            return rounded + sum(block.nbytes for _, block in self._blocks.values())

    def _block(self, slices: Slices, spacing_mm: Spacing, number: int) -> torch.Tensor:
        """(BLOCK, y, x) with a rim; two threads that ask at once may both make it, of the same bits."""
        made_of, used, shares = slices.shares(spacing_mm[0], (number * BLOCK, (number + 1) * BLOCK))
        with self._lock:
            known = self._blocks.pop((spacing_mm, number), None)
            if known and known[0] == made_of:
                self._blocks[spacing_mm, number] = known
                return known[1]
        block = self._placed(spacing_mm, used, shares)
        whole = _rounded(block) if spacing_mm == PICTURE else None
        with self._lock:
            self._blocks[spacing_mm, number] = (made_of, block)
            if whole is not None:
                self._rounded[number] = (made_of, whole)
            self._let_go()
        return block

    def _rounded_block(self, slices: Slices, spacing_mm: Spacing, number: int) -> NDArray[np.int16]:
        if spacing_mm == PICTURE:
            made_of = slices.made_of(spacing_mm[0], (number * BLOCK, (number + 1) * BLOCK))
            with self._lock:
                known = self._rounded.get(number)
            if known and known[0] == made_of:
                return known[1]
        return _rounded(self._block(slices, spacing_mm, number))

    def _let_go(self) -> None:
        """Of the fine blocks those that were not used for longest; the lock is held."""
        fine = [(one, block.nbytes) for one, (_, block) in self._blocks.items() if one[0][0] < FINE_MM]
        held = sum(size for _, size in fine)
        for one, size in fine:
            if held <= MOST_FINE_BYTES:
                return
            del self._blocks[one]
            held -= size

    def _placed(
        self, spacing_mm: Spacing, used: Sequence[Layer], shares: NDArray[np.float32]
    ) -> torch.Tensor:
        """Between slices first: a block needs more of them than it has planes."""
        rows, columns = self.frame.shape
        made = scratch("between slices", (len(shares), rows * columns), self.device)
        for planes, slices in _at_once(shares):
            hu = scratch("slices", (slices.stop - slices.start, rows, columns), self.device)
            for layer, place in zip(used[slices], hu, strict=True):
                upload(layer.hu, place)
            weights = torch.from_numpy(np.ascontiguousarray(shares[planes, slices])).to(self.device)
            torch.matmul(weights, hu.view(len(hu), -1), out=made[planes])
        place = in_plane(self.frame, spacing_mm[1:], self.device)
        wide = scratch("wide", (len(shares), rows, place.shape[1]), self.device)
        return place(made.view(len(shares), rows, columns), wide)


def layers(volume: Volume) -> Iterable[Layer]:
    """The slices of a volume, named by their number."""
    seen = canonical(volume)
    height = float(np.asarray(seen.grid.axes[0]) @ np.asarray(seen.grid.origin_mm))
    for number, hu in enumerate(seen.hu):
        at = height + number * seen.grid.spacing_mm[0]
        yield Layer(name=f"{number:06d}", height_mm=at, hu=hu)


def _at_once(shares: NDArray[np.float32]) -> Iterator[tuple[slice, slice]]:
    """Planes that are made together, and the slices that they need: of a coarse lattice's not too many."""
    count = max(len(shares) * MOST_SLICES // shares.shape[1], 1)
    for first in range(0, len(shares), count):
        needed = np.flatnonzero(shares[first : first + count].any(axis=0))
        yield slice(first, first + count), slice(int(needed[0]), int(needed[-1]) + 1)


def _rounded(block: torch.Tensor) -> NDArray[np.int16]:
    """Whole HU of a block without its rim, on the host."""
    whole: NDArray[np.int16] = block[:, 1:-1, 1:-1].round().to(torch.int16).cpu().numpy()
    return whole


def _parts(planes: Range) -> Iterator[tuple[int, slice, slice]]:
    """The blocks that hold a range of planes: number, what is wanted of each, where that is in the range."""
    for number in range(planes[0] // BLOCK, -(-planes[1] // BLOCK)):
        first, last = max(planes[0], number * BLOCK), min(planes[1], (number + 1) * BLOCK)
        inner = slice(first - number * BLOCK, last - number * BLOCK)
        yield number, inner, slice(first - planes[0], last - planes[0])


def _cut(start: int, stop: int, held: Range) -> tuple[slice, int, int]:
    """What is held of a range, and how much of it is missing before and after."""
    first, last = max(start, held[0]), min(stop, held[1])
    if first >= last:
        at = min(max(start, held[0]), held[1] - 1) - held[0]
        return slice(at, at + 1), 0, stop - start - 1
    return slice(first - held[0], last - held[0]), first - start, stop - last
