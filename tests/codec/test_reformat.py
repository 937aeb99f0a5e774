"""Coronal planes of slices, for a screen."""

from __future__ import annotations

import ct
import numpy as np
import pytest

from millet.codec import reformat
from millet.codec.ct import read_header
from millet.codec.slice_picture import WINDOWS
from millet.core.stack import grid, stack_of
from millet.errors import UnfitSeries

WRITTEN = {
    "head first, supine": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "from the head down": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "feet first, supine": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "head first, prone": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "flipped": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "turned by a quarter": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}


def planes(datasets, window="lung"):
    """The planes of a series."""
    encoded = {str(one.SOPInstanceUID): ct.encoded(one) for one in datasets}
    stack = stack_of([read_header(one) for one in encoded.values()])
    read = encoded.__getitem__
    return reformat.planes(grid(stack), stack.slices, lambda one: read(one.sop_instance_uid), WINDOWS[window])


@pytest.mark.parametrize("axes", WRITTEN.values(), ids=list(WRITTEN))
@pytest.mark.parametrize("window", WINDOWS)
def test_planes_are_right_side_up_however_the_slices_were_written(axes, window):
    """The head on top, the patient's right on the left, the front first; each the mean of two rows."""
    seen = planes(ct.series(axes), window)
    hu = ct.HU.astype(np.float32)
    means = (hu[:, 0::2] + hu[:, 1::2]) / 2
    low_hu = WINDOWS[window].centre_hu - WINDOWS[window].width_hu / 2
    expected = np.clip((means.transpose(1, 0, 2)[:, ::-1] - low_hu) * 255 / WINDOWS[window].width_hu, 0, 255)
    assert seen.shape == (5, 24, 12)
    assert np.abs(seen - expected).max() <= 1


def test_a_slice_that_cannot_be_read_ends_it():
    """No plane is shown with a line of nothing in it."""
    datasets = ct.series()
    datasets[7].PixelData = datasets[7].PixelData[:100]
    with pytest.raises(UnfitSeries):
        planes(datasets)
