"""Masks with 64 voxels a word: exact balls at the speed of memory.

Theory of operation. A row along x is a run of bits, so that the voxels w to either side of a mask along x
are two shifts of whole words, and those some rows or planes away are a slice of the words. A ball is made
of rows: at dz and dy from its middle it is as wide as Pythagoras says, and a mask grown by it is the union
of the mask grown along x by each of these widths, moved to its row. Squares of distances between
voxels are whole numbers, so nothing is rounded.

Around the mask lies a margin of nothing, as wide as the largest ball: what a shift carries over the end of
a row or a plane stays in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]

_WORD = 64
_UNIT = np.dtype("<u8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bits:
    """A mask (z, y, x) within a margin of `margin` voxels on each side."""

    words: Words
    """(z, y, x / 64), the first voxel of a word in its lowest bit."""
    shape: tuple[int, int, int]
    """Of the mask, without the margin."""
    margin: int

    @classmethod
    def of(cls, mask: Mask, margin: int) -> Bits:
        """Pack a mask; no ball larger than `margin` may be asked for."""
        depth, height, width = (n + 2 * margin for n in mask.shape)
        padded = np.zeros((depth, height, -(-width // _WORD) * _WORD), bool)
        padded[_inner(mask.shape, margin)] = mask
        words = np.packbits(padded, axis=2, bitorder="little").view(_UNIT)
        z, y, x = mask.shape
        return cls(words=words, shape=(z, y, x), margin=margin)

    def mask(self) -> Mask:
        """The voxels, without the margin."""
        margin, (depth, height, _) = self.margin, self.shape
        words = self.words[margin : margin + depth, margin : margin + height]
        voxels = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=2, bitorder="little")
        mask: Mask = np.ascontiguousarray(voxels[:, :, margin : margin + self.shape[2]]).view(bool)
        return mask

    def grown(self, square: int, plane: int = 1) -> Bits:
        """Every voxel at most the root of `square` voxels away from the mask (1: the six neighbours).

        A step from plane to plane counts for `plane` steps within one.
        """
        self._check(square)
        return self._with(_grown(self.words, square, plane))

    def shrunk(self, square: int) -> Bits:
        """Every voxel of the mask that is farther than the root of `square` from all that is not in it."""
        self._check(square)
        return self._with(~_grown(~self.words, square, 1))

    def filled(self) -> Bits:
        """With what it surrounds in each plane of z: ground from which no way by rows and columns leads out.

        A hole of the whole mask is one of every plane that it lies in, so holes in space are filled as well.
        """
        return self._with(self.words | _holes(self.words))

    def _check(self, square: int) -> None:
        if isqrt(square) > self.margin:
            raise ValueError(f"a margin of {self.margin} voxels is less than the root of {square}")

    def _with(self, words: Words) -> Bits:
        return Bits(words=words, shape=self.shape, margin=self.margin)


def _inner(shape: tuple[int, ...], margin: int) -> tuple[slice, ...]:
    return tuple(slice(margin, margin + n) for n in shape)


def _grown(words: Words, square: int, plane: int) -> Words:
    """Grow by a ball: rows of each width, moved in the plane, then from plane to plane."""
    _, height, row = words.shape
    wide = _widened(words.ravel(), isqrt(square))
    grown = np.zeros_like(wide[0])
    for dz in range(isqrt(square) // plane + 1):
        left = square - (plane * dz) ** 2
        disc = wide[isqrt(left)].copy()
        for dy in range(1, isqrt(left) + 1):
            _add(disc, wide[isqrt(left - dy * dy)], dy * row)
        _add(grown, disc, dz * height * row)
    return grown.reshape(words.shape)


def _widened(flat: Words, reach: int) -> list[Words]:
    """The mask grown by 0, 1, ... `reach` voxels along x."""
    wide = [flat]
    for width in range(1, reach + 1):
        by, back = np.uint64(width), np.uint64(_WORD - width)
        grown = wide[-1] | (flat << by) | (flat >> by)
        grown[1:] |= flat[:-1] >> back
        grown[:-1] |= flat[1:] << back
        wide.append(grown)
    return wide


def _add(whole: Words, part: Words, words: int) -> None:
    """Add what lies so many words before and behind."""
    count = len(whole) - words
    if count > 0:
        np.bitwise_or(whole[words:], part[:count], out=whole[words:])
        np.bitwise_or(whole[:count], part[words:], out=whole[:count])


def _holes(words: Words) -> Words:
    """What of the ground is no way out: hidden from all four sides, and not next to ground that is open."""
    before, after = _sides(words)
    above = np.bitwise_or.accumulate(words, axis=1)
    below = np.bitwise_or.accumulate(words[:, ::-1], axis=1)[:, ::-1]
    hidden = ~words & before & after & above & below
    out = ~words & ~hidden
    while hidden.any():
        reached = _beside(out) & hidden
        if not reached.any():
            break
        hidden &= ~reached
        out |= reached
    return hidden


def _sides(words: Words) -> tuple[Words, Words]:
    """What has a voxel of the mask before it in its row, and what has one after it (or is one)."""
    before = words | (~words + np.uint64(1))  # all bits from the lowest one of a word on
    after = words.copy()
    for by in (1, 2, 4, 8, 16, 32):
        after |= after >> np.uint64(by)
    any_ = np.where(words != 0, ~np.uint64(0), np.uint64(0))
    before[..., 1:] |= np.bitwise_or.accumulate(any_, axis=2)[..., :-1]
    after[..., :-1] |= np.bitwise_or.accumulate(any_[..., ::-1], axis=2)[..., -2::-1]
    return before, after


def _beside(words: Words) -> Words:
    """The mask grown by its four neighbours in the plane."""
    flat = words.ravel()
    grown = _widened(flat, 1)[1]
    _add(grown, flat, words.shape[2])
    return grown.reshape(words.shape)
