"""Decoded slices on their way to the device that resamples them.

A slice of CT is integers of 16 bits; as such it is half as long on the bus to a GPU as in float, and the
device converts it. From pinned memory the copy goes on beside what the host does next: decoding.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def upload(slice_hu: NDArray[np.int16] | NDArray[np.float32], place: torch.Tensor) -> None:
    """Write a slice (rows, columns) of HU to its place, float32 on a device.

    The same bits arrive whichever way they went. The array may be read-only or a view, and may go or change
    when this returns. To a CUDA device the copy and the conversion are queued on torch's current stream.
    Raises ValueError for another type of voxel.
    """
    if slice_hu.dtype not in {np.dtype(np.int16), np.dtype(np.float32)}:
        raise ValueError(f"a slice is int16 or float32 HU, not {slice_hu.dtype}")
    if place.device.type != "cuda":
        place.numpy()[...] = slice_hu
        return
    kind = torch.int16 if slice_hu.dtype == np.int16 else torch.float32
    pinned = torch.empty(slice_hu.shape, dtype=kind, pin_memory=True)
    pinned.numpy()[...] = slice_hu
    # torch keeps the pinned memory from other use until the copy is through.
    place.copy_(pinned.to(place.device, non_blocking=True))
