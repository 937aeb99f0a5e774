"""Which voxels belong to which nodule, kept as the voxels alone: a few thousand among a hundred million."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """The labelled voxels of a grid of `shape` (z, y, x), each with one nodule's number (from 1).

    `voxels` are places in the flattened grid (C order), rising, each once; `numbers` go with them.
    """

    shape: tuple[int, int, int]
    voxels: Places
    numbers: Numbers

    def __post_init__(self) -> None:
        if self.voxels.shape != self.numbers.shape:
            raise ValueError(f"{len(self.voxels)} voxels with {len(self.numbers)} numbers")
        if (np.diff(self.voxels) <= 0).any():
            raise ValueError("voxels must rise")


def nearest(
    shape: tuple[int, int, int], voxels: Places, numbers: Numbers, distances_mm: NDArray[np.float64]
) -> Labels:
    """Labels of nodules that may touch: of several claims to a voxel the nearest centre's holds.

    Args:
        shape: of the grid.
        voxels: (N,) claims, as places in the flattened grid, in any order.
        numbers: (N,) whose claim each is; of equal distances the earlier claim holds.
        distances_mm: (N,) from the centre of the nodule that claims.
    """
    order = np.argsort(voxels, kind="stable")
    claimed = voxels[order]
    again = claimed[1:] == claimed[:-1]
    if again.any():
        shared = np.append(again, False) | np.append(False, again)
        claims = order[shared]
        order[shared] = claims[np.lexsort((distances_mm[claims], voxels[claims]))]
    first = np.append(True, ~again)[: len(order)]
    return Labels(shape=shape, voxels=claimed[first], numbers=numbers[order][first])
