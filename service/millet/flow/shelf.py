"""The instances of one series, each read once, in the order of their arrival or any other.

Voxels are put side by side by their instance number. Where that is the order of the slices too, as
nearly always, the volume is what lies there already and nothing is copied; where it is not, it costs a
copy and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from millet.codec import decoders
from millet.codec.ct import Hu, read_header, read_slice
from millet.codec.decoders import Decode
from millet.codec.shortened import without_pixels
from millet.codec.source import SourceImage, read_image
from millet.core.series import SliceHeader
from millet.errors import UnfitSeries

PLACES = 1024
"""Slices that one block of memory has room for; only what is filled takes memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """One instance, read."""

    name: str
    """Equal for equal bytes, and for nothing else."""
    head: bytes
    """The instance without its pixels."""
    image: SourceImage | None
    """What our reports take from it; None where the bytes cannot be read."""
    header: SliceHeader | None
    """None where the bytes cannot be read."""
    voxels: Hu | UnfitSeries
    """HU (rows, columns), or why there are none."""

    @property
    def hu(self) -> Hu:
        """HU (rows, columns). Raises UnfitSeries."""
        if isinstance(self.voxels, UnfitSeries):
            raise self.voxels
        return self.voxels


class Shelf:
    """What was taken so far. Thread-safe: instances are decoded side by side."""

    def __init__(self, decode: Decode = decoders.decode) -> None:
        self._decode = decode
        self._taken: dict[str, Taken] = {}
        self._blocks: dict[tuple[int, ...], _Block] = {}
        self._lock = threading.Lock()

    def take(self, name: str, encoded: bytes) -> Taken:
        """Read an instance; one that is there already is not read again."""
        if known := self._taken.get(name):
            return known
        return self._taken.setdefault(name, self._read(name, encoded))

    def all(self) -> Sequence[Taken]:
        """Everything, in an order that does not depend on that of arrival."""
        return [self._taken[name] for name in sorted(self._taken)]

    def holds_only(self, names: Collection[str]) -> bool:
        """Whether there is nothing but these."""
        return self._taken.keys() <= frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name in self._taken

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def held_bytes(self) -> int:
        """Memory of the voxels."""
        held = (one.voxels for one in list(self._taken.values()))
        return sum(voxels.nbytes for voxels in held if isinstance(voxels, np.ndarray))

    def _read(self, name: str, encoded: bytes) -> Taken:
        try:
            header = read_header(encoded)
        except UnfitSeries as verdict:
            return Taken(name=name, head=encoded, image=None, header=None, voxels=verdict)
        head, voxels = without_pixels(encoded), self._voxels(encoded, header)
        return Taken(name=name, head=head, image=read_image(head), header=header, voxels=voxels)

    def _voxels(self, encoded: bytes, header: SliceHeader) -> Hu | UnfitSeries:
        try:
            hu = read_slice(encoded, header, self._decode)
        except UnfitSeries as verdict:
            return verdict
        if hu.dtype != np.int16:
            return hu
        with self._lock:
            block = self._blocks.setdefault(hu.shape, _Block(hu.shape))
            place = block.place(header.instance_number)
        if place is None:
            return hu
        place[:] = hu
        return place


class _Block:
    """Room for slices of one size. Memory that was never written to takes none."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._voxels: NDArray[np.int16] | None = None
        self._shape = shape
        self._free = set(range(PLACES))

    def place(self, number: int | None) -> NDArray[np.int16] | None:
        """Where the slice of this number goes; None where its place is taken."""
        if number not in self._free:
            return None
        if self._voxels is None:
            self._voxels = np.empty((PLACES, *self._shape), np.int16)
        self._free.discard(number)
        found: NDArray[np.int16] = self._voxels[number]
        return found


def stacked(slices: Sequence[Hu]) -> Hu:
    """Slices as one array (z, y, x), without a copy where they lie side by side already."""
    if (whole := _side_by_side(slices)) is not None:
        return whole
    kind = np.int16 if all(hu.dtype == np.int16 for hu in slices) else np.float32
    made = np.empty((len(slices), *slices[0].shape), kind)
    for at, hu in enumerate(slices):
        made[at] = hu
    return made


def _side_by_side(slices: Sequence[Hu]) -> Hu | None:
    first = slices[0]
    if first.dtype != np.int16 or any(hu.base is None or hu.base is not first.base for hu in slices):
        return None
    room = cast("NDArray[np.int16]", first.base)
    size = first.nbytes
    at = [(_address(hu) - _address(room)) // size for hu in slices]
    if at == list(range(at[0], at[0] + len(at))):
        return room[at[0] : at[0] + len(at)]
    if at == list(range(at[0], at[0] - len(at), -1)):
        return room[at[-1] : at[0] + 1][::-1]
    return None


def _address(array: Hu) -> int:
    return int(array.__array_interface__["data"][0])
