"""Connected components of a mask, counted by their runs along x: a few for many voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Components:
    """Labels from 1 in the order of their first voxels, 0 outside; and the runs of equal labels."""

    labels: NDArray[np.integer]
    first: NDArray[np.intp]
    """Where each run begins in the flat array; a run may go on from row to row."""
    length: NDArray[np.intp]
    name: NDArray[np.integer]
    """The label of each run."""

    @classmethod
    def of(cls, mask: Mask, connectivity: Literal[4, 6, 8, 26]) -> Components:
        """Those of a mask in three dimensions (6 or 26 neighbours) or two (4 or 8)."""
        labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=connectivity)
        flat = labels.ravel()
        first = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
        length = np.diff(first, append=flat.size)
        return cls(labels=labels, first=first, length=length, name=flat[first])

    def sizes(self) -> NDArray[np.int64]:
        """Voxels of each label; 0 for the ground."""
        sizes = np.bincount(self.name, weights=self.length).astype(np.int64)
        sizes[0] = 0
        return sizes

    def those(self, keep: Mask) -> Mask:
        """The voxels of the labels to keep, one flag a label from 0 on."""
        mask: Mask = np.repeat(keep[self.name], self.length).reshape(self.labels.shape)
        return mask

    def columns(self, label: int) -> NDArray[np.int64]:
        """How many voxels of a label each position along x has."""
        width = self.labels.shape[-1]
        mine = self.name == label
        begin, rows = self.first[mine] % width, self.length[mine]
        rows, end = np.divmod(begin + rows, width)
        steps = np.bincount(begin, minlength=width) - np.bincount(end, minlength=width)
        counts: NDArray[np.int64] = np.cumsum(steps) + rows.sum()
        return counts


def extent(mask: Mask) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds a mask (z, y, x); None for an empty one."""
    plane = np.asarray(mask.any(axis=0))
    lines = [np.flatnonzero(line) for line in (mask.any(axis=(1, 2)), plane.any(axis=1), plane.any(axis=0))]
    if not len(lines[0]):
        return None
    z, y, x = (slice(int(line[0]), int(line[-1]) + 1) for line in lines)
    return z, y, x
