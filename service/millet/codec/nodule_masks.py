"""The voxels of every nodule as `PictureService` tells them, made with the reports and kept beside them.

What is kept is the answer itself, whole. It holds any number of nodules, unlike a LABELMAP, and each is read
without the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.codec import masks
from millet.codec.keys import Plane
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.geometry import Floats
from millet.core.labels import Labels
from millet.proto.millet.v1 import picture_service_pb2 as pb

KIND = "masks.pb"
"""Of the object that holds it."""
MOST_BYTES = 1024 * 1024
"""Of the masks in one message; a single one may be larger."""
Integers = NDArray[np.int64]


class _Boxes(NamedTuple):
    """Of each nodule that has a voxel, by number."""

    numbers: Integers
    low: Integers
    """(N, 3) the first plane, row and column."""
    shape: Integers
    """(N, 3) how many of each."""
    runs: list[list[int]]


def encode(analysis: Analysis, labels: Labels, source: Source) -> bytes:
    """Encode the grid and every mask; equal arguments give equal bytes.

    Args:
        analysis: whose nodules the labels number.
        labels: on the grid of the source images: plane z is the z-th image, rows and columns as stored.
        source: the images of the analysed stack, in that order.

    Raises:
        ValueError: The labels do not fit the images, or number a nodule that is not there.
    """
    masks.check(labels, source)
    planes = [Plane.of(image) for image in source.images]
    boxes = _boxes(labels)
    named = {nodule.number: nodule.nodule_id for nodule in masks.drawn(analysis, boxes.numbers.tolist())}
    whole = pb.StreamMasksResponse(
        generation=analysis.generation,
        grid=_grid(labels.shape, planes, source),
        total_masks=len(boxes.numbers),
        masks=[
            pb.NoduleMask(
                nodule_id=named[number],
                number=number,
                first_column=low[2],
                first_row=low[1],
                first_plane=low[0],
                columns=shape[2],
                rows=shape[1],
                planes=shape[0],
                origin_mm=_lps(_place(planes[low[0]], low[2], low[1])),
                runs=runs,
            )
            for number, low, shape, runs in zip(
                boxes.numbers.tolist(), boxes.low.tolist(), boxes.shape.tolist(), boxes.runs, strict=True
            )
        ],
    )
    return whole.SerializeToString(deterministic=True)


def parts(whole: pb.StreamMasksResponse, wanted: Collection[str]) -> Iterator[pb.StreamMasksResponse]:
    """What was encoded as messages: the grid, then masks, all or those of some `nodule_id`s."""
    chosen = [one for one in whole.masks if not wanted or one.nodule_id in wanted]
    yield pb.StreamMasksResponse(generation=whole.generation, grid=whole.grid, total_masks=len(chosen))
    held: list[pb.NoduleMask] = []
    size = 0
    for one in chosen:
        size += one.ByteSize()
        if held and size > MOST_BYTES:
            yield pb.StreamMasksResponse(masks=held)
            held, size = [], one.ByteSize()
        held.append(one)
    if held:
        yield pb.StreamMasksResponse(masks=held)


def _grid(shape: tuple[int, int, int], planes: list[Plane], source: Source) -> pb.VoxelGrid:
    first = planes[0]
    return pb.VoxelGrid(
        frame_of_reference_uid=source.frame_of_reference_uid,
        columns=shape[2],
        rows=shape[1],
        along_columns=_lps(first.along[0]),
        along_rows=_lps(first.along[1]),
        column_mm=first.spacing_mm[0],
        row_mm=first.spacing_mm[1],
        planes=[
            pb.Plane(sop_instance_uid=image.sop_instance_uid, origin_mm=_lps(plane.origin_mm))
            for image, plane in zip(source.images, planes, strict=True)
        ],
    )


def _boxes(labels: Labels) -> _Boxes:
    order = np.argsort(labels.numbers, kind="stable")
    numbers, first, counts = np.unique(labels.numbers[order], return_index=True, return_counts=True)
    if not len(numbers):
        return _Boxes(numbers, np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64), [])
    places = np.stack(np.unravel_index(labels.voxels[order], labels.shape), axis=1)
    low = np.minimum.reduceat(places, first, axis=0)
    shape = np.maximum.reduceat(places, first, axis=0) - low + 1
    which = np.repeat(np.arange(len(numbers)), counts)
    inside, wide = places - low[which], shape[which]
    local = (inside[:, 0] * wide[:, 1] + inside[:, 1]) * wide[:, 2] + inside[:, 2]
    return _Boxes(numbers, low, shape, _runs(local, first))


def _runs(local: Integers, first: Integers) -> list[list[int]]:
    """Off and on by turns, of places in a box that rise from each `first` on."""
    begins = np.append(True, np.diff(local) != 1)
    begins[first] = True
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(local)) - 1
    before = np.append(0, local[ends[:-1]] + 1)
    at = np.searchsorted(starts, first)
    before[at] = 0
    runs = np.stack([local[starts] - before, local[ends] - local[starts] + 1], axis=1)
    return [part.ravel().tolist() for part in np.split(runs, at[1:])]


def _place(plane: Plane, column: int, row: int) -> Floats:
    steps_mm = np.asarray([column, row]) * plane.spacing_mm
    place: Floats = plane.origin_mm + steps_mm @ plane.along
    return place


def _lps(values: Floats) -> pb.Lps:
    return pb.Lps(x=values[0], y=values[1], z=values[2])
