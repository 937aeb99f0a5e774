"""A coronal reformat for a screen: slices as they were sent become grey planes from front to back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from millet.codec.ct import read_slice
from millet.codec.slice_picture import Window, grey
from millet.core.coronal import Coronal
from millet.core.geometry import Grid
from millet.core.series import SliceHeader
from millet.core.volume import canonical_order, upright

Grey = NDArray[np.uint8]


def planes(
    grid: Grid, slices: Iterable[SliceHeader], read: Callable[[SliceHeader], bytes], window: Window
) -> Grey:
    """Make all coronal planes of a stack, one slice in memory at a time.

    Args:
        grid: of the stack.
        slices: of it, in its order.
        read: the bytes of an instance.
        window: what is shown from black to white.

    Returns:
        (plane, row, column), as `Coronal` places them.

    Raises:
        UnfitSeries: The pixels of a slice cannot be read.
        StoreError: As `read` does.
    """
    coronal, from_feet = Coronal.of(grid), canonical_order(grid)[1][0]
    made = np.empty(coronal.shape, np.uint8)
    first_rows = np.arange(0, coronal.grid.shape[1], coronal.thick)
    counts = np.diff(first_rows, append=coronal.grid.shape[1]).astype(np.float32)[:, None]
    for number, header in enumerate(slices):
        hu = upright(read_slice(read(header), header), grid).astype(np.float32)
        row = number if from_feet else coronal.shape[1] - 1 - number
        means = (np.add.reduceat(hu, first_rows, axis=0) / counts).astype(np.float32, copy=False)
        made[:, row] = grey(means, window)
    return made
