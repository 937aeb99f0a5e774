"""Masks of nodules as a viewer reads them: by the contract alone, voxel by voxel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from millet.proto.millet.v1 import picture_service_pb2 as pb


def dense_of(whole: pb.StreamMasksResponse) -> NDArray[np.int64]:
    """Numbers of nodules (plane, row, column), 0 elsewhere; no voxel may have two."""
    grid = whole.grid
    volume = np.zeros((len(grid.planes), grid.rows, grid.columns), np.int64)
    for mask in whole.masks:
        box = volume[
            mask.first_plane : mask.first_plane + mask.planes,
            mask.first_row : mask.first_row + mask.rows,
            mask.first_column : mask.first_column + mask.columns,
        ]
        held = box_of(mask)
        assert box.shape == held.shape
        assert not box[held].any()
        box[held] = mask.number
    return volume


def box_of(mask: pb.NoduleMask) -> NDArray[np.bool_]:
    """The voxels of one nodule in its box (plane, row, column)."""
    held = np.zeros(mask.planes * mask.rows * mask.columns, bool)
    edges = np.cumsum(mask.runs).tolist()
    for number, (start, stop) in enumerate(pairwise([0, *edges])):
        held[start:stop] = number % 2 == 1
    return held.reshape(mask.planes, mask.rows, mask.columns)


def place_of(grid: pb.VoxelGrid, plane: int, row: int, column: int) -> tuple[float, ...]:
    """The middle of a voxel in the patient (LPS, mm), by the rule of the contract."""
    ways = (
        (1.0, grid.planes[plane].origin_mm),
        (column * grid.column_mm, grid.along_columns),
        (row * grid.row_mm, grid.along_rows),
    )
    return tuple(sum(by * getattr(way, axis) for by, way in ways) for axis in "xyz")
